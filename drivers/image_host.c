/* SPDX-License-Identifier: MIT */
/*
 * What the host's administrator says of registries: whose certificates are trusted besides those
 * that all programs trust, and whether names lead elsewhere than they say.
 */
#include "drivers/image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "executor/base/file.h"

#define CONFIG_MAX       ((size_t)1 << 20)
#define CERTIFICATES_MAX ((size_t)16 << 20)
/* containers-registries.conf(5) */
#define CONFIG            "/etc/containers/registries.conf"
#define CONFIGS_DIRECTORY CONFIG ".d"
#define CONFIG_VARIABLE   "CONTAINERS_REGISTRIES_CONF"

/* What all programs on the host trust: Debian's file, and Fedora's. */
static const char *const bundles[] = { "/etc/ssl/certs/ca-certificates.crt",
                                       "/etc/pki/tls/certs/ca-bundle.crt", NULL };

/* The administrator's files may be links. */
static int read_host_file(int directory, const char *path, size_t max, struct strbuf *text,
                          struct err *err)
{
    _cleanup_close_ int fd = openat(directory, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_HOST, errno,
                             "cannot read '%s'", path);
    return file_read_open(fd, path, max, text, err);
}

/* --- names -------------------------------------------------------------------------------------
 */

bool image_registries_redirect(const char *text)
{
    for (const char *line = text; *line != '\0'; line += *line == '\n') {
        line += strspn(line, " \t");
        if (str_starts(line, "[[") && str_starts(line + 2 + strspn(line + 2, " \t"), "registry"))
            return true;
        line += strcspn(line, "\n");
    }
    return false;
}

/* What cannot be read may say anything. */
static bool config_redirects(int directory, const char *path)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (read_host_file(directory, path, CONFIG_MAX, &text, &failure) < 0)
        return failure.class != ERR_NOT_FOUND;
    return image_registries_redirect(text.buf);
}

bool image_host_redirects(void)
{
    bool found = getenv(CONFIG_VARIABLE) != NULL || config_redirects(AT_FDCWD, CONFIG);
    DIR *directory = opendir(CONFIGS_DIRECTORY);
    const struct dirent *entry;
    while (directory != NULL && !found && (entry = readdir(directory)) != NULL)
        found =
            str_ends(entry->d_name, ".conf") && config_redirects(dirfd(directory), entry->d_name);
    if (directory != NULL)
        closedir(directory);
    return found;
}

/* --- certificates ------------------------------------------------------------------------------
 */

static const char *certificates(const struct image *im)
{
    return json_str(json_get(im->job->host, "registry"), "certificates");
}

void image_add_certificates(const struct image *im, struct strlist *arguments)
{
    if (im->program != IMAGE_DOCKER && certificates(im) != NULL)
        strlist_addf(arguments, "--cert-dir=%s", certificates(im));
}

static int read_directory(const char *path, struct strbuf *text, struct err *err)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    int r = 0;
    if (directory == NULL)
        return err_set_errno(err, ERR_HOST, errno,
                             "the host config's 'registry.certificates', '%s'", path);
    while (r == 0 && (entry = readdir(directory)) != NULL) {
        if (!str_ends(entry->d_name, ".crt"))
            continue;
        r = read_host_file(dirfd(directory), entry->d_name, CERTIFICATES_MAX, text, err);
        strbuf_addc(text, '\n');
    }
    closedir(directory);
    return r;
}

static void read_bundles(struct strbuf *text)
{
    for (const char *const *bundle = bundles; *bundle != NULL; bundle++) {
        _cleanup_err_ struct err absent = ERR_INIT;
        (void)read_host_file(AT_FDCWD, *bundle, CERTIFICATES_MAX, text, &absent);
        strbuf_addc(text, '\n');
    }
}

int image_open_trust(const struct image *im, int *ret_fd, char **ret_path, struct err *err)
{
    _cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
    if (certificates(im) == NULL)
        return 0;
    if (read_directory(certificates(im), &text, err) < 0)
        return -1;
    read_bundles(&text);
    _cleanup_close_ int fd = memfd_create("certificates", MFD_CLOEXEC);
    if (fd < 0 || write(fd, text.buf, text.len) != (ssize_t)text.len)
        return err_set_errno(err, ERR_HOST, errno, "cannot keep certificates in memory");
    *ret_path = xasprintf("/proc/self/fd/%d", fd);
    *ret_fd = fd;
    fd = -1;
    return 0;
}
