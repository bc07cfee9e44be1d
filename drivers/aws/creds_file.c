/* SPDX-License-Identifier: MIT */
#include "drivers/aws/creds_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "executor/base/log.h"

int creds_file_text(const char *path, size_t max, char **ret, struct err *err)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_set_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_CREDENTIALS, errno,
                             "cannot open '%s'", path);
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    for (;;) {
        char chunk[4096];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(err, ERR_CREDENTIALS, errno, "cannot read '%s'", path);
        if (n == 0)
            break;
        strbuf_add(&text, chunk, (size_t)n);
        if (text.len > max)
            return err_set(err, ERR_CREDENTIALS, "'%s' is larger than %zu bytes", path, max);
    }
    *ret = strbuf_detach(&text);
    return 0;
}

int creds_file_line(const char *path, size_t max, char **ret, struct err *err)
{
    _cleanup_free_ char *text = NULL;
    if (creds_file_text(path, max, &text, err) < 0) {
        if (err->class == ERR_NOT_FOUND)
            err->class = ERR_CREDENTIALS; /* something names it, so it should be there */
        return -1;
    }
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
    if (len == 0)
        return err_set(err, ERR_CREDENTIALS, "'%s' is empty", path);
    redact_add(text);
    *ret = steal_ptr(&text);
    return 0;
}
