/* SPDX-License-Identifier: MIT */
/* Credentials as programs, containers and instances hand them out, and tokens in files. */
#include "drivers/aws/creds_file.h"
#include "drivers/aws/creds_process.h"
#include "drivers/aws/metadata.h"
#include "executor/base/log.h"
#include "tests/fuzz/fuzz.h"

static void check(int result, const struct creds *creds, const struct err *err)
{
    if (result < 0) {
        fuzz_require_message(err);
        return;
    }
    fuzz_require(creds->access_key != NULL && *creds->access_key != '\0', "there is a key");
    fuzz_require(creds->secret_key != NULL && *creds->secret_key != '\0', "there is a secret");
    fuzz_require(creds->token == NULL || *creds->token != '\0', "an empty token is none");
}

static void read_process(const uint8_t *data, size_t size)
{
    _cleanup_creds_ struct creds creds = CREDS_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    check(creds_process_parse((const char *)data, size, &creds, &err), &creds, &err);
}

static void read_metadata(const uint8_t *data, size_t size)
{
    _cleanup_http_response_ struct http_response response = HTTP_RESPONSE_INIT;
    _cleanup_creds_ struct creds creds = CREDS_INIT;
    _cleanup_err_ struct err err = ERR_INIT;
    strbuf_add(&response.body, data, size);
    check(metadata_creds(&response, &creds, &err), &creds, &err);
}

static void read_token(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *line = NULL;
    _cleanup_err_ struct err err = ERR_INIT;
    if (creds_file_line(fuzz_file("token", data, size), 4096, &line, &err) < 0)
        fuzz_require_message(&err);
    else
        fuzz_require(*line != '\0', "a token is not empty");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_process(data, size);
    read_metadata(data, size);
    read_token(data, size);
    redact_release();
    return 0;
}
