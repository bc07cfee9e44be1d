/* SPDX-License-Identifier: MIT */
/* Every source of credentials, against files in a directory of the test's own and a server that
 * plays STS, the container agent and the instance metadata service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drivers/aws/credentials.h"
#include "executor/base/log.h"
#include "tests/unit/server.h"

struct fixture {
    char dir[64];
    struct server *server;
    struct cancel cancel;
    struct transport *transport;
    struct credentials *credentials;
    struct creds creds;
    struct err err;
    int lifetime; /* of what the server hands out, seconds */
};

static void reply_keys(const struct fixture *f, const char *key, struct server_reply *reply)
{
    char date[32];
    clock_iso_date(time(NULL) + f->lifetime, date, sizeof(date));
    _cleanup_free_ char *body =
        xasprintf("{\"Code\":\"Success\",\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"secret-%s\","
                  "\"Token\":\"token-%s\",\"Expiration\":\"%s\"}",
                  key, key, key, date);
    reply_with(reply, 200, NULL, body);
}

/* STS names the key after what it was asked for, so that tests see what it was asked. */
static void reply_sts(const struct fixture *f, const char *text, struct server_reply *reply)
{
    const char *action =
        strstr(text, "WebIdentity&") != NULL ? "AssumeRoleWithWebIdentity" : "AssumeRole";
    char date[32];
    clock_iso_date(time(NULL) + f->lifetime, date, sizeof(date));
    _cleanup_free_ char *body = xasprintf(
        "<%sResponse><%sResult><Credentials><AccessKeyId>ROLE</AccessKeyId>"
        "<SecretAccessKey>secret-of-role</SecretAccessKey><SessionToken>token-of-role"
        "</SessionToken><Expiration>%s</Expiration></Credentials></%sResult></%sResponse>",
        action, action, date, action, action);
    reply_with(reply, 200, NULL, body);
}

static void answer(void *context, size_t n, const char *text, struct server_reply *reply)
{
    (void)n;
    const struct fixture *f = context;
    if (str_starts(text, "PUT /latest/api/token ") &&
        strstr(text, "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n") != NULL)
        reply_with(reply, 200, NULL, "session-token");
    else if (strstr(text, "/latest/meta-data/") != NULL &&
             strstr(text, "X-aws-ec2-metadata-token: session-token\r\n") == NULL)
        reply_with(reply, 401, NULL, "");
    else if (str_starts(text, "GET /latest/meta-data/iam/security-credentials/ "))
        reply_with(reply, 200, NULL, "host-role\n");
    else if (str_starts(text, "GET /latest/meta-data/iam/security-credentials/host-role "))
        reply_keys(f, "INSTANCE", reply);
    else if (str_starts(text, "GET /container "))
        strstr(text, "Authorization: pod-token\r\n") != NULL ? reply_keys(f, "CONTAINER", reply)
                                                             : reply_with(reply, 403, NULL, "");
    else if (str_starts(text, "POST / "))
        reply_sts(f, text, reply);
    else
        reply_with(reply, 404, NULL, "");
}

static void write_file(const struct fixture *f, const char *name, const char *text)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", f->dir, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void set_path(const struct fixture *f, const char *variable, const char *name)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", f->dir, name);
    setenv(variable, path, 1);
}

static void clear_environment(void)
{
    static const char *const names[] = { "AWS_ACCESS_KEY_ID",
                                         "AWS_SECRET_ACCESS_KEY",
                                         "AWS_SESSION_TOKEN",
                                         "AWS_PROFILE",
                                         "AWS_ROLE_ARN",
                                         "AWS_WEB_IDENTITY_TOKEN_FILE",
                                         "AWS_ROLE_SESSION_NAME",
                                         "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                         "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                         "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                         "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                         "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                                         "AWS_EC2_METADATA_DISABLED",
                                         "AWS_CONFIG_FILE",
                                         "AWS_SHARED_CREDENTIALS_FILE" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        unsetenv(names[i]);
}

static void start(struct fixture *f)
{
    clear_environment();
    *f = (struct fixture){ .dir = "/tmp/berth-credentials-XXXXXX",
                           .err = ERR_INIT,
                           .lifetime = 3600 };
    assert_non_null(mkdtemp(f->dir));
    f->server = server_start(answer, f);
    cancel_init(&f->cancel);
    _cleanup_free_ char *url = xasprintf("http://127.0.0.1:%u", server_port(f->server));
    setenv("AWS_ENDPOINT_URL", url, 1);
    setenv("HOME", f->dir, 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    assert_int_equal(transport_new("us-east-1", NULL, &f->cancel, &f->transport, &f->err), 0);
    struct creds_context context = { .transport = f->transport, .imds_timeout = 1 };
    f->credentials = credentials_new(&context);
}

static void stop(struct fixture *f)
{
    credentials_free(f->credentials);
    transport_free(f->transport);
    server_stop(f->server);
    cancel_release(&f->cancel);
    creds_release(&f->creds);
    err_release(&f->err);
    _cleanup_free_ char *command = xasprintf("rm -rf '%s'", f->dir);
    assert_int_equal(system(command), 0);
}

static void expect_key(struct fixture *f, const char *access_key, const char *secret_key)
{
    if (credentials_get(f->credentials, &f->creds, &f->err) < 0)
        fail_msg("%s", f->err.message);
    assert_string_equal(f->creds.access_key, access_key);
    assert_string_equal(f->creds.secret_key, secret_key);
}

static void expect_failure(struct fixture *f, const char *message)
{
    assert_int_equal(credentials_get(f->credentials, &f->creds, &f->err), -1);
    assert_int_equal(f->err.class, ERR_CREDENTIALS);
    if (strstr(f->err.message, message) == NULL)
        fail_msg("'%s' is not in '%s'", message, f->err.message);
}

static void the_environment_goes_first(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    write_file(&f, "credentials", "[default]\naws_access_key_id=F\naws_secret_access_key=S\n");
    set_path(&f, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret-of-env", 1);
    expect_key(&f, "ENV", "secret-of-env");
    assert_null(f.creds.token);
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, "x secret-of-env x");
    redact(&text);
    assert_null(strstr(text.buf, "secret-of-env"));
    stop(&f);
}

static void half_a_key_is_an_error(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    expect_failure(&f, "AWS_SECRET_ACCESS_KEY is not");
    stop(&f);
}

static void none_names_every_source(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    expect_failure(&f, "AWS_ACCESS_KEY_ID is not set");
    static const char *const sources[] = { "AWS_WEB_IDENTITY_TOKEN_FILE", "/.aws/credentials",
                                           "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                           "AWS_EC2_METADATA_DISABLED" };
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
        assert_non_null(strstr(f.err.message, sources[i]));
    stop(&f);
}

static void files_are_read_as_aws_does(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    write_file(&f, "config",
               "# comment\n[default]\nregion = eu-west-1\n\n[profile  ci ]\n"
               "s3 =\n  max_concurrent_requests = 20\nAWS_ACCESS_KEY_ID = CONF ; why\n"
               "aws_secret_access_key = from=config\n[sso-session ci]\naws_access_key_id = NO\n");
    write_file(&f, "credentials",
               "[ci]\naws_secret_access_key = from+credentials/#x\n"
               "aws_session_token = token-of-ci\n");
    set_path(&f, "AWS_CONFIG_FILE", "config");
    set_path(&f, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
    setenv("AWS_PROFILE", "ci", 1);
    expect_key(&f, "CONF", "from+credentials/#x");
    assert_string_equal(f.creds.token, "token-of-ci");
    stop(&f);
}

static void a_profile_that_is_asked_for_must_be_there(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    setenv("AWS_PROFILE", "nobody", 1);
    expect_failure(&f, "no profile 'nobody'");
    stop(&f);
}

static void roles_are_assumed_along_profiles(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    write_file(&f, "config",
               "[profile deploy]\nrole_arn = arn:aws:iam::111122223333:role/deploy\n"
               "source_profile = base\nexternal_id = ext-1\nrole_session_name = a session\n"
               "[profile base]\naws_access_key_id = BASE\naws_secret_access_key = base-secret\n");
    set_path(&f, "AWS_CONFIG_FILE", "config");
    setenv("AWS_PROFILE", "deploy", 1);
    expect_key(&f, "ROLE", "secret-of-role");
    assert_string_equal(f.creds.account, "111122223333");
    const char *text = server_request(f.server, 0);
    assert_non_null(strstr(text, "Credential=BASE/"));
    assert_non_null(strstr(text, "Action=AssumeRole&"));
    assert_non_null(strstr(text, "&RoleSessionName=a-session&ExternalId=ext-1"));
    stop(&f);
}

static void circles_and_gaps_in_profiles_are_errors(void **state)
{
    (void)state;
    static const struct {
        const char *config, *message;
    } cases[] = {
        { "[profile p]\nrole_arn=arn:aws:iam::1:role/r1\nsource_profile=q\n"
          "[profile q]\nrole_arn=arn:aws:iam::1:role/r2\nsource_profile=p\n",
          "its own source" },
        { "[profile p]\nrole_arn=arn:aws:iam::1:role/r\nsource_profile=q\n", "no profile 'q'" },
        { "[profile p]\nrole_arn=arn:aws:iam::1:role/r\n", "needs one of source_profile" },
        { "[profile p]\nrole_arn=arn:aws:iam::1:role/r\ncredential_source=Moon\n", "'Moon'" },
        { "[profile p]\naws_access_key_id=A\n", "only one of" },
        { "[profile p]\nsso_session=x\n", "needs a person" },
        { "[profile p]\nregion=x\n", "it has no credentials" },
        { "[profile p]\nnonsense\n", "config:2: neither" },
        { "[profile p\n", "config:1: '[' without ']'" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture f;
        start(&f);
        write_file(&f, "config", cases[i].config);
        set_path(&f, "AWS_CONFIG_FILE", "config");
        setenv("AWS_PROFILE", "p", 1);
        expect_failure(&f, cases[i].message);
        stop(&f);
    }
}

static void programs_give_credentials(void **state)
{
    (void)state;
    static const struct {
        const char *command, *message;
    } cases[] = {
        { "echo '{\"Version\":1,\"AccessKeyId\":\"PROC\",\"SecretAccessKey\":\"s-proc\"}'", NULL },
        { "echo '{\"Version\":2}'", "\"Version\": 1" },
        { "echo '{\"Version\":1,\"AccessKeyId\":\"PROC\",\"SecretAccessKey\":\"s-proc\","
          "\"Expiration\":1e25}'",
          "'Expiration' in the answer is not a date: 1e+25" },
        { "echo no", "the credential_process's output" },
        { "exit 3", "exit code 3" },
        { "kill -9 $$", "signal 9" },
        { "head -c 100000 /dev/zero", "printed more than" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture f;
        start(&f);
        _cleanup_free_ char *config =
            xasprintf("[default]\ncredential_process = %s\n", cases[i].command);
        write_file(&f, "config", config);
        set_path(&f, "AWS_CONFIG_FILE", "config");
        if (cases[i].message == NULL)
            expect_key(&f, "PROC", "s-proc");
        else
            expect_failure(&f, cases[i].message);
        stop(&f);
    }
}

static void web_identities_are_exchanged_unsigned(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    write_file(&f, "token", "the.web/token=\n");
    set_path(&f, "AWS_WEB_IDENTITY_TOKEN_FILE", "token");
    setenv("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/pod", 1);
    expect_key(&f, "ROLE", "secret-of-role");
    const char *text = server_request(f.server, 0);
    assert_non_null(strstr(text, "&WebIdentityToken=the.web%2Ftoken%3D"));
    assert_null(strstr(text, "Authorization:"));
    stop(&f);
}

static void containers_are_asked_with_their_token(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    _cleanup_free_ char *url = xasprintf("http://localhost:%u/container", server_port(f.server));
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    write_file(&f, "token", "pod-token\n");
    set_path(&f, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "token");
    expect_key(&f, "CONTAINER", "secret-CONTAINER");
    assert_string_equal(f.creds.token, "token-CONTAINER");
    assert_true(f.creds.expires > time(NULL));
    stop(&f);
}

/* Names that only look like a local address must not get the token. */
static void containers_elsewhere_are_not_asked(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *token, *message;
    } cases[] = {
        { "http://169.254.170.9/x", "t", "neither this host nor an agent" },
        { "http://198.51.100.1/x", "t", "neither this host nor an agent" },
        { "http://[::ffff:198.51.100.1]/x", "t", "neither this host nor an agent" },
        { "ftp://127.0.0.1/x", "t", "neither http nor https" },
        { "http://127.0.0.1:1/x", "a\r\nX: b", "line end" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture f;
        start(&f);
        setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", cases[i].uri, 1);
        setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", cases[i].token, 1);
        expect_failure(&f, cases[i].message);
        stop(&f);
    }
}

static void instances_are_asked_in_version_2(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    _cleanup_free_ char *url = xasprintf("http://127.0.0.1:%u/", server_port(f.server));
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url, 1);
    unsetenv("AWS_EC2_METADATA_DISABLED");
    expect_key(&f, "INSTANCE", "secret-INSTANCE");
    assert_int_equal(server_requests(f.server), 3);
    stop(&f);
}

static void *get_credentials(void *context)
{
    struct fixture *f = context;
    _cleanup_creds_ struct creds creds = CREDS_INIT;
    struct err err = ERR_INIT;
    if (credentials_get(f->credentials, &creds, &err) < 0)
        abort();
    return NULL;
}

static void one_thread_asks_and_expiry_is_seen_before(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    write_file(&f, "token", "web-token");
    set_path(&f, "AWS_WEB_IDENTITY_TOKEN_FILE", "token");
    setenv("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/pod", 1);
    pthread_t threads[8];
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_create(&threads[i], NULL, get_credentials, &f);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(server_requests(f.server), 1);
    f.lifetime = 60; /* what comes next is about to expire, so each use asks again */
    credentials_expired(f.credentials, "ROLE");
    expect_key(&f, "ROLE", "secret-of-role");
    expect_key(&f, "ROLE", "secret-of-role");
    assert_int_equal(server_requests(f.server), 3);
    stop(&f);
}

static void a_host_role_is_assumed_with_the_chain(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret-of-env", 1);
    struct creds_context context = { .transport = f.transport, .imds_timeout = 1 };
    struct credentials *role = credentials_new_role(
        &context, f.credentials, "arn:aws:iam::111122223333:role/x", "berth-77-deploy: [a]", NULL);
    assert_int_equal(credentials_get(role, &f.creds, &f.err), 0);
    assert_string_equal(f.creds.access_key, "ROLE");
    assert_non_null(strstr(server_request(f.server, 0), "RoleSessionName=berth-77-deploy---a-"));
    credentials_free(role);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_goes_first),
        cmocka_unit_test(half_a_key_is_an_error),
        cmocka_unit_test(none_names_every_source),
        cmocka_unit_test(files_are_read_as_aws_does),
        cmocka_unit_test(a_profile_that_is_asked_for_must_be_there),
        cmocka_unit_test(roles_are_assumed_along_profiles),
        cmocka_unit_test(circles_and_gaps_in_profiles_are_errors),
        cmocka_unit_test(programs_give_credentials),
        cmocka_unit_test(web_identities_are_exchanged_unsigned),
        cmocka_unit_test(containers_are_asked_with_their_token),
        cmocka_unit_test(containers_elsewhere_are_not_asked),
        cmocka_unit_test(instances_are_asked_in_version_2),
        cmocka_unit_test(one_thread_asks_and_expiry_is_seen_before),
        cmocka_unit_test(a_host_role_is_assumed_with_the_chain),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    redact_release();
    return failed;
}
