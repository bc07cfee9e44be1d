/* SPDX-License-Identifier: MIT */
#include "executor/base/utf8.h"

#include <stdio.h>

size_t utf8_char(const char *s, size_t len)
{
    const unsigned char *u = (const unsigned char *)s;
    if (u[0] < 0x80)
        return 1;
    size_t n = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
    if (u[0] < 0xc2 || u[0] > 0xf4 || n > len)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((u[i] & 0xc0) != 0x80)
            return 0;
    /* What fewer bytes could say, surrogates, and what lies beyond the last character. */
    if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) ||
        (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f))
        return 0;
    return n;
}

size_t utf8_valid(const char *s, size_t len)
{
    size_t i = 0;
    for (size_t n; i < len; i += n) {
        n = utf8_char(s + i, len - i);
        if (n == 0)
            break;
    }
    return i;
}

uint32_t utf8_code_point(const char *s, size_t n)
{
    uint32_t code = n == 1 ? (unsigned char)*s : (unsigned char)*s & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        code = code << 6 | ((unsigned char)s[i] & 0x3f);
    return code;
}

static bool is_harmless(uint32_t code)
{
    struct range {
        uint32_t first, last;
    };
    static const struct range harmful[] = {
        { 0x00, 0x08 },     { 0x0a, 0x1f },       { 0x7f, 0x9f },     { 0x061c, 0x061c },
        { 0x200b, 0x200f }, { 0x2028, 0x202e },   { 0x2060, 0x206f }, { 0xfeff, 0xfeff },
        { 0xfff9, 0xfffb }, { 0xe0000, 0xe007f },
    };
    for (size_t i = 0; i < ARRAY_SIZE(harmful); i++)
        if (code >= harmful[i].first && code <= harmful[i].last)
            return false;
    return true;
}

/* What is written for the character, or the byte that is none, at s[0]: "" stands for itself. */
static size_t escape(const char *s, size_t len, char ret[16])
{
    size_t n = utf8_char(s, len);
    uint32_t code = n > 0 ? utf8_code_point(s, n) : (unsigned char)*s;
    *ret = '\0';
    if (n == 0 || !is_harmless(code))
        snprintf(ret, 16, n <= 1 ? "\\x%02x" : code > 0xffff ? "\\U%08x" : "\\u%04x", code);
    return n > 0 ? n : 1;
}

size_t utf8_cut(const char *s, size_t len, size_t most)
{
    size_t i = 0, n, shown = 0;
    for (; i < len; i += n) {
        char written[16];
        n = escape(s + i, len - i, written);
        shown += *written != '\0' ? strlen(written) : n;
        if (shown > most)
            break;
    }
    return i;
}

void utf8_make_visible(struct strbuf *text)
{
    size_t i = 0, n = 0;
    for (; i < text->len; i += n) {
        n = utf8_char(text->buf + i, text->len - i);
        if (n == 0 || !is_harmless(utf8_code_point(text->buf + i, n)))
            break;
    }
    if (i == text->len)
        return; /* nearly always */
    struct strbuf out = STRBUF_INIT;
    strbuf_add(&out, text->buf, i);
    for (; i < text->len; i += n) {
        char written[16];
        n = escape(text->buf + i, text->len - i, written);
        if (*written == '\0')
            strbuf_add(&out, text->buf + i, n);
        else
            strbuf_adds(&out, written);
    }
    strbuf_release(text);
    *text = out;
}
