/* SPDX-License-Identifier: MIT */
#include "executor/environment.h"

#include <openssl/evp.h>

#include "executor/base/clock.h"

/*
 * The longest name of an environment. It is the name of its load balancer, which has at most 32
 * characters, letters, digits and hyphens, neither first nor last a hyphen (Elastic Load Balancing
 * API, CreateLoadBalancer: Name); ElastiCache also refuses two hyphens in a row and a digit in
 * front (ElastiCache API, CreateCacheCluster: CacheClusterId).
 */
#define NAME_MAX_LENGTH 32
#define DIGITS          8 /* of the hash, as in `echo -n "<branch>" | sha256sum | cut -c1-8` */

static const char *const kinds[] = { "production", "ephemeral" };

/* The first digits of the sha256 of a branch's name. */
static char *hash_of_branch(const char *branch)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_Digest(branch, strlen(branch), digest, &len, EVP_sha256(), NULL) != 1)
        oom_exit(); /* sha256 of bytes in memory fails for want of memory alone */
    _cleanup_strbuf_ struct strbuf hex = STRBUF_INIT;
    strbuf_add_hex(&hex, digest, DIGITS / 2);
    return strbuf_detach(&hex);
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_hash(const char *s)
{
    return strlen(s) == DIGITS && strspn(s, "0123456789abcdef") == DIGITS;
}

/* Whether s is words of a-z and 0-9 with single hyphens between them. */
static bool is_name(const char *s)
{
    char before = '-';
    for (; *s != '\0'; before = *s++)
        if (!is_name_char(*s) && (*s != '-' || before == '-'))
            return false;
    return before != '-';
}

/* The ref in lower case, each run of other characters a hyphen, as GitLab's CI_COMMIT_REF_SLUG. */
static char *slug_of_ref(const char *ref)
{
    _cleanup_strbuf_ struct strbuf slug = STRBUF_INIT;
    for (; *ref != '\0'; ref++) {
        char c = *ref >= 'A' && *ref <= 'Z' ? (char)(*ref - 'A' + 'a') : *ref;
        if (is_name_char(c))
            strbuf_addc(&slug, c);
        else if (slug.len > 0 && slug.buf[slug.len - 1] != '-')
            strbuf_addc(&slug, '-');
    }
    return strbuf_detach(&slug);
}

/*
 * What stands for a production ref in names: the ref itself where it can ("master"), else its slug
 * and the hash. The hash is also added to a ref that ends as if it had one, so that no two refs,
 * and no ref and no ephemeral environment, share a name.
 */
static char *id_of_production(const char *ref, size_t room)
{
    size_t len = strlen(ref);
    bool as_if_hashed = len >= DIGITS && is_hash(ref + len - DIGITS) &&
                        (len == DIGITS || ref[len - DIGITS - 1] == '-');
    if (is_name(ref) && len <= room && !as_if_hashed)
        return xstrdup(ref);

    _cleanup_free_ char *hash = hash_of_branch(ref);
    _cleanup_free_ char *slug = slug_of_ref(ref);
    size_t keep = room > DIGITS + 1 ? room - DIGITS - 1 : 0;
    if (strlen(slug) > keep)
        slug[keep] = '\0';
    for (size_t n = strlen(slug); n > 0 && slug[n - 1] == '-'; n--)
        slug[n - 1] = '\0';
    return *slug == '\0' ? xstrdup(hash) : xasprintf("%s-%s", slug, hash);
}

static void list_refs(struct strbuf *out, const cJSON *project)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        const cJSON *ref;
        cJSON_ArrayForEach (ref, json_get(json_get(project, kinds[i]), "refs"))
            strbuf_addf(out, "%s'%s' (%s)", out->len > 0 ? ", " : "", ref->valuestring, kinds[i]);
    }
}

/* The kind whose patterns the branch matches, or NULL. Production is looked at first: a pattern
 * that is too wide there asks for more proof, not for less. */
static const char *kind_of_branch(const cJSON *project, const char *branch)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        const cJSON *ref;
        cJSON_ArrayForEach (ref, json_get(json_get(project, kinds[i]), "refs"))
            if (cJSON_IsString(ref) && str_glob(ref->valuestring, branch))
                return kinds[i];
    }
    return NULL;
}

static int fill_name(struct environment *e, const char *ref, const struct hostconfig *h,
                     struct err *err)
{
    size_t prefix = strlen(e->prefix);
    if (!is_name(e->prefix) || (e->prefix[0] >= '0' && e->prefix[0] <= '9') ||
        prefix + 1 + DIGITS > NAME_MAX_LENGTH)
        return err_set(
            err, ERR_HOST,
            "%s: prefix '%s' cannot begin the name of an environment: it must be a-z, 0-9 "
            "and single hyphens, begin with a letter and have at most %d characters",
            h->path, e->prefix, NAME_MAX_LENGTH - DIGITS - 1);
    e->subdomain = str_eq(e->kind, "production")
                       ? id_of_production(ref, NAME_MAX_LENGTH - prefix - 1)
                       : hash_of_branch(ref);
    e->name = xasprintf("%s-%s", e->prefix, e->subdomain);
    return 0;
}

static int fill(struct environment *e, int64_t project_id, const char *ref,
                const struct hostconfig *h, struct err *err)
{
    const cJSON *project = hostconfig_project(h, project_id);
    e->kind = kind_of_branch(project, ref);
    if (e->kind == NULL) {
        _cleanup_strbuf_ struct strbuf refs = STRBUF_INIT;
        list_refs(&refs, project);
        return err_set(err, ERR_REFUSED,
                       "branch '%s' gets no environment: '%s' has environments for %s; rename the "
                       "branch, or ask the administrator of this runner to add a pattern",
                       ref, h->path, refs.len > 0 ? refs.buf : "no branch of this project");
    }
    const cJSON *of_kind = json_get(project, e->kind);
    e->prefix = json_str(project, "prefix");
    e->region = json_str(of_kind, "region");
    e->role_arn = json_str(of_kind, "roleArn");
    e->limits = json_get(json_get(project, "limits"), e->kind);
    const char *on_cancel = json_str(of_kind, "onCancel");
    e->takes_back = str_eq(on_cancel ? on_cancel : json_str(h->json, "onCancel"), "rollback");
    const char *lives = json_str(of_kind, "timeToLive");
    if (lives != NULL && clock_read_span(lives, &e->time_to_live) < 0)
        return err_set(err, ERR_HOST, "%s: projects.%lld.%s.timeToLive: '%s' is no such span",
                       h->path, (long long)project_id, e->kind, lives);
    if (e->prefix == NULL || e->region == NULL)
        return err_set(err, ERR_HOST, "%s: project %lld has no %s", h->path, (long long)project_id,
                       e->prefix == NULL ? "\"prefix\"" : "\"region\" for this kind of branch");
    return fill_name(e, ref, h, err);
}

static int check_project(int64_t project_id, const char *path, const struct hostconfig *h,
                         struct err *err)
{
    if (hostconfig_project(h, project_id) != NULL)
        return 0;
    return err_set(err, ERR_REFUSED,
                   "project %lld%s%s%s may not deploy from this runner: it is not in '%s'; ask the "
                   "administrator of this runner to add it under \"projects\"",
                   (long long)project_id, path ? " ('" : "", path ? path : "", path ? "')" : "",
                   h->path);
}

/* Tags and merge requests name no branch whose environment it could be. */
static int check_ref(const struct job *job, struct err *err)
{
    if (job_is_merge_request(job))
        return err_set(err, ERR_USER,
                       "job '%s' runs for a merge request ('%s'), which has no environment: run it "
                       "in a branch pipeline",
                       job->name, job->ref);
    if (!str_eq(job->ref_type, "branch"))
        return err_set(
            err, ERR_USER,
            "job '%s' runs for the %s '%s', which has no environment: run it in a branch "
            "pipeline",
            job->name, str_eq(job->ref_type, "tag") ? "tag" : "ref", job->ref);
    return 0;
}

/* Anybody who can push could otherwise create a branch that a production pattern matches. */
static int check_protection(const struct job *job, const struct environment *e, struct err *err)
{
    if (!str_eq(e->kind, "production") || job->protection == PROTECTION_YES)
        return 0;
    if (job->protection == PROTECTION_UNKNOWN)
        return err_set(err, ERR_REFUSED,
                       "branch '%s' is production's, and GitLab does not say whether it is "
                       "protected: that takes GitLab 18.3 or newer",
                       job->ref);
    return err_set(err, ERR_REFUSED,
                   "branch '%s' is production's, but not protected: protect it in GitLab under "
                   "Settings, Repository, Protected branches",
                   job->ref);
}

static int check_job_name(const struct job *job, const struct dispatch *d,
                          const struct environment *e, struct err *err)
{
    if (d->act == ACT_SWEEP && !str_eq(e->kind, "production"))
        return err_set(err, ERR_REFUSED,
                       "job '%s' may destroy environments of all branches: only the protected "
                       "production branch may run it, and '%s' is %s",
                       job->name, job->ref, e->kind);
    if (d->branch_kind == NULL || str_eq(d->branch_kind, e->kind))
        return 0;
    return err_set(err, ERR_USER,
                   "job '%s' is for %s branches, but '%s' is %s: run the job whose name ends in "
                   "'%s', and let the rules of '%s' leave this branch out",
                   job->name, d->branch_kind, job->ref, e->kind,
                   str_eq(e->kind, "production") ? "master" : "branches", job->name);
}

int environment_of_job(const struct job *job, const struct dispatch *d, const struct hostconfig *h,
                       struct environment *ret, struct err *err)
{
    _cleanup_environment_ struct environment e = ENVIRONMENT_INIT;
    if (check_project(job->project_id, job->project_path, h, err) < 0 || check_ref(job, err) < 0 ||
        fill(&e, job->project_id, job->ref, h, err) < 0 || check_protection(job, &e, err) < 0 ||
        check_job_name(job, d, &e, err) < 0)
        return -1;
    *ret = e;
    e = (struct environment)ENVIRONMENT_INIT;
    return 0;
}

int environment_of_branch(int64_t project_id, const char *branch, const struct hostconfig *h,
                          struct environment *ret, struct err *err)
{
    _cleanup_environment_ struct environment e = ENVIRONMENT_INIT;
    if (*branch == '\0')
        return err_set(err, ERR_USER, "a branch's name cannot be empty");
    if (check_project(project_id, NULL, h, err) < 0 || fill(&e, project_id, branch, h, err) < 0)
        return -1;
    *ret = e;
    e = (struct environment)ENVIRONMENT_INIT;
    return 0;
}

void environment_release(struct environment *e)
{
    free(e->name);
    free(e->subdomain);
    *e = (struct environment)ENVIRONMENT_INIT;
}
