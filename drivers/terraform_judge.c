/* SPDX-License-Identifier: MIT */
#include "drivers/terraform.h"

#include <ctype.h>

/*
 * The summaries of what follows from providers or modules that are not there (Terraform,
 * internal/terraform/context_plugins.go, internal/configs/configload/loader_load.go; OpenTofu's are
 * the same).
 */
static const char *const unfetched[] = {
    "Missing required provider",
    "Module not installed",
    "Could not load plugin",
    "Failed to load plugin schemas",
    "Required plugins are not installed",
    "Inconsistent dependency lock file",
};

static bool is_unfetched(const char *summary)
{
    for (size_t i = 0; i < ARRAY_SIZE(unfetched); i++)
        if (str_eq(summary, unfetched[i]))
            return true;
    return false;
}

static void describe(const cJSON *diagnostic, const char *directory, struct strlist *list)
{
    const cJSON *range = json_get(diagnostic, "range");
    const cJSON *start = json_get(range, "start");
    const char *file = json_str(range, "filename");
    const char *summary = json_str(diagnostic, "summary");
    const char *detail = json_str(diagnostic, "detail");
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
    if (file != NULL && !str_eq(directory, "."))
        strbuf_addf(&line, "%s/", directory);
    if (file != NULL)
        strbuf_addf(&line, "%s:%lld:%lld: ", file, (long long)json_int(start, "line", 0),
                    (long long)json_int(start, "column", 0));
    strbuf_adds(&line, summary != NULL ? summary : "error");
    if (detail != NULL && *detail != '\0')
        strbuf_addf(&line, ": %s", detail);
    for (char *p = line.buf; *p != '\0'; p++)
        if (*p == '\n')
            *p = ' ';
    strlist_add(list, line.buf);
}

static int read_answer(const char *validate, size_t len, cJSON **ret, struct err *err)
{
    if (json_parse(validate, len, JSON_PLAIN, ret, err) < 0 ||
        !cJSON_IsBool(json_get(*ret, "valid")))
        return err_set(err, ERR_HOST, "'terraform validate -json' gives no answer of its kind");
    return 0;
}

int terraform_judge(const char *validate, size_t len, const char *directory, bool initialized,
                    struct terraform_verdict *ret, struct err *err)
{
    _cleanup_json_ cJSON *answer = NULL;
    _cleanup_terraform_verdict_ struct terraform_verdict verdict = { .whole = initialized };
    if (read_answer(validate, len, &answer, err) < 0)
        return -1;
    const cJSON *diagnostic;
    cJSON_ArrayForEach (diagnostic, json_get(answer, "diagnostics")) {
        bool error = str_eq(json_str(diagnostic, "severity"), "error");
        const char *summary = json_str(diagnostic, "summary");
        if (!error)
            describe(diagnostic, directory, &verdict.warnings);
        else if (is_unfetched(summary) || (!initialized && json_get(diagnostic, "range") == NULL))
            verdict.whole = false;
        else
            describe(diagnostic, directory, &verdict.errors);
    }
    *ret = verdict;
    verdict = (struct terraform_verdict)TERRAFORM_VERDICT_INIT;
    return 0;
}

int terraform_judge_json(const char *validate, size_t len, const char *directory,
                         struct strlist *ret_errors, struct err *err)
{
    _cleanup_json_ cJSON *answer = NULL;
    if (read_answer(validate, len, &answer, err) < 0)
        return -1;
    const cJSON *diagnostic;
    cJSON_ArrayForEach (diagnostic, json_get(answer, "diagnostics")) {
        const char *file = json_str_at(diagnostic, "range/filename");
        if (file != NULL && str_ends(file, ".json") &&
            str_eq(json_str(diagnostic, "severity"), "error") &&
            !is_unfetched(json_str(diagnostic, "summary")))
            describe(diagnostic, directory, ret_errors);
    }
    return 0;
}

void terraform_verdict_release(struct terraform_verdict *verdict)
{
    strlist_release(&verdict->errors);
    strlist_release(&verdict->warnings);
}

bool terraform_names_a_line(const char *words)
{
    for (const char *at = words; (at = strstr(at, "\n  on ")) != NULL; at++) {
        const char *end = strchr(at + 1, '\n');
        const char *line = strstr(at, " line ");
        if (line != NULL && (end == NULL || line < end) &&
            isdigit((unsigned char)line[strlen(" line ")]))
            return true;
    }
    return false;
}

/*
 * Terraform's words for it: internal/getproviders/errors.go, internal/command/init.go,
 * internal/initwd/module_install.go. "no available releases match the given constraints" is not
 * among them: a mirror of the host's that lacks the version is told in the same words.
 */
bool terraform_is_answered(const char *words)
{
    static const char *const answers[] = {
        "does not have a provider named",
        "Unresolvable module version constraint",
    };
    _cleanup_strbuf_ struct strbuf flat = STRBUF_INIT;
    for (; *words != '\0'; words += strspn(words, " \n")) { /* lines are broken where it fits */
        size_t len = strcspn(words, " \n");
        strbuf_addf(&flat, "%s%.*s", flat.len > 0 ? " " : "", (int)len, words);
        words += len;
    }
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
        if (flat.len > 0 && strstr(flat.buf, answers[i]) != NULL)
            return true;
    return false;
}

char *terraform_first_error(const char *words)
{
    static const char mark[] = "Error: ";
    const char *at = words;
    while (at != NULL && !(str_starts(at, mark) && (at == words || at[-1] == '\n')))
        at = *at != '\0' ? strstr(at + 1, mark) : NULL;
    if (at == NULL)
        return NULL;
    at += strlen(mark);
    const char *end = strstr(at, "\nError: ");
    if (end == NULL)
        end = at + strlen(at);
    _cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
    /* The summary, a blank line, and the paragraph below it. */
    const char *between = "";
    for (unsigned paragraph = 0; at < end && paragraph < 2;) {
        size_t len = strcspn(at, "\n");
        strbuf_addf(&line, "%s%.*s", len > 0 ? between : "", (int)len, at);
        if (len > 0)
            between = " ";
        else if (++paragraph == 1)
            between = ": ";
        at += len + (at[len] == '\n');
    }
    return strbuf_detach(&line);
}
