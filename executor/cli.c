/* SPDX-License-Identifier: MIT */
#include "executor/cli.h"
#include "executor/base/near.h"

#include <stdio.h>

#define HELP_COLUMNS 80

static int usage_error(const struct cli_command *c, struct err *err, const char *fmt, ...)
    _printf_(3, 4);
static int usage_error(const struct cli_command *c, struct err *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    _cleanup_free_ char *message = xvasprintf(fmt, ap);
    va_end(ap);
    return err_set(err, ERR_USER, "%s (see 'berth %s --help')", message, c->name);
}

static const struct cli_option *find_option(const struct cli_command *c, const char *name,
                                            size_t len)
{
    for (const struct cli_option *o = c->options; o->name != NULL; o++)
        if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

static int unknown_option(const struct cli_command *c, const char *argument, struct err *err)
{
    _cleanup_free_ char *name = xstrndup(argument + 2, strcspn(argument + 2, "="));
    struct near near = NEAR_INIT(name);
    for (const struct cli_option *o = c->options; o->name != NULL; o++)
        near_try(&near, o->name);
    if (near.word != NULL)
        return usage_error(c, err, "unknown option '--%s'; did you mean '--%s'?", name, near.word);
    return usage_error(c, err, "unknown option '--%s'", name);
}

static int set_value(const struct cli_command *c, const struct cli_option *o, const char *value,
                     struct err *err)
{
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)o->value = true;
        return 0;
    case CLI_STRING:
    case CLI_NEEDED:
        *(const char **)o->value = value;
        return 0;
    case CLI_LIST:
        strlist_add(o->value, value);
        return 0;
    case CLI_NUMBER:
        if (str_to_int64(value, 1, INT64_MAX, o->value) < 0)
            return usage_error(c, err, "option '--%s' takes a number from 1, not '%s'", o->name,
                               value);
        return 0;
    }
    return 0;
}

/* Takes the option at *argv, and its value, which may be the next one; moves *argv to the last that
 * it has taken. */
static int take_option(const struct cli_command *c, char ***argv, struct err *err)
{
    const char *argument = **argv;
    const char *equals = strchr(argument, '=');
    size_t len = equals != NULL ? (size_t)(equals - argument) - 2 : strlen(argument) - 2;
    const struct cli_option *o = find_option(c, argument + 2, len);
    if (o == NULL)
        return unknown_option(c, argument, err);
    if (o->kind == CLI_FLAG && equals != NULL)
        return usage_error(c, err, "option '--%s' takes no value", o->name);
    const char *value = equals != NULL ? equals + 1 : NULL;
    if (o->kind != CLI_FLAG && value == NULL) {
        value = (*argv)[1];
        if (value == NULL)
            return usage_error(c, err, "option '--%s' needs a value: --%s %s", o->name, o->name,
                               o->argument);
        (*argv)++;
    }
    return set_value(c, o, value, err);
}

int cli_parse(const struct cli_command *command, char **argv, struct strlist *arguments,
              struct err *err)
{
    bool options = true;
    for (; *argv != NULL; argv++) {
        if (options && str_eq(*argv, "--")) {
            options = false;
        } else if (options && str_starts(*argv, "--")) {
            if (take_option(command, &argv, err) < 0)
                return -1;
        } else if (options && (*argv)[0] == '-' && (*argv)[1] != '\0') {
            return usage_error(command, err, "unknown option '%s'", *argv);
        } else {
            strlist_add(arguments, *argv);
        }
    }
    return 0;
}

/* "--project N" */
static char *option_text(const struct cli_option *o)
{
    return xasprintf("--%s%s%s", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
}

/* Adds a word to the usage, on a line of its own where the present one is full. */
static void add_word(struct strbuf *out, size_t *column, size_t indent, const char *word)
{
    if (*column + 1 + strlen(word) > HELP_COLUMNS) {
        strbuf_addf(out, "\n%*s", (int)indent, "");
        *column = indent;
    }
    strbuf_addf(out, " %s", word);
    *column += 1 + strlen(word);
}

static void add_usage(const struct cli_command *c, struct strbuf *out)
{
    size_t start = out->len;
    strbuf_addf(out, "usage: berth %s", c->name);
    size_t indent = out->len - start, column = indent;
    for (const struct cli_option *o = c->options; o->name != NULL; o++) {
        _cleanup_free_ char *text = option_text(o);
        _cleanup_free_ char *word =
            o->kind == CLI_NEEDED ? xstrdup(text)
                                  : xasprintf("[%s]%s", text, o->kind == CLI_LIST ? "..." : "");
        add_word(out, &column, indent, word);
    }
    if (*c->arguments != '\0')
        add_word(out, &column, indent, c->arguments);
    strbuf_addc(out, '\n');
}

void cli_help(const struct cli_command *c, struct strbuf *out)
{
    int width = 0;
    for (const struct cli_option *o = c->options; o->name != NULL; o++) {
        _cleanup_free_ char *left = option_text(o);
        width = (int)strlen(left) > width ? (int)strlen(left) : width;
    }
    add_usage(c, out);
    strbuf_addf(out, "\n%s\n\noptions:\n", c->help);
    for (const struct cli_option *o = c->options; o->name != NULL; o++) {
        _cleanup_free_ char *left = option_text(o);
        strbuf_addf(out, "  %-*s  %s\n", width, left, o->help);
    }
}

const struct cli_command *cli_find(const struct cli_command *commands, const char *name,
                                   struct err *err)
{
    struct near near = NEAR_INIT(name);
    for (const struct cli_command *c = commands; c->name != NULL; c++) {
        if (strcmp(name, c->name) == 0)
            return c;
        near_try(&near, c->name);
    }
    if (near.word != NULL)
        err_set(err, ERR_USER, "unknown command '%s'; did you mean '%s'?", name, near.word);
    else
        err_set(err, ERR_USER, "unknown command '%s' (see 'berth --help')", name);
    return NULL;
}
