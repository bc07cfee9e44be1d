/* SPDX-License-Identifier: MIT */
#include "drivers/iam.h"

/*
 * Policy documents, compared by what they mean: "the JSON that IAM stores may differ from what was
 * sent in white space, and a single item may stand with or without brackets",
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
 */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void percent_decode(struct strbuf *to, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        int high = *p == '%' ? hex_digit(p[1]) : -1;
        int low = high >= 0 ? hex_digit(p[2]) : -1;
        if (low >= 0) {
            strbuf_addc(to, (char)(high * 16 + low));
            p += 2;
        } else {
            strbuf_addc(to, *p);
        }
    }
}

int policy_parse(const char *text, cJSON **ret, struct err *err)
{
    _cleanup_strbuf_ struct strbuf decoded = STRBUF_INIT;
    /* A document begins with a brace; encoded, with "%7B". */
    if (*text == '%')
        percent_decode(&decoded, text);
    else
        strbuf_adds(&decoded, text);
    if (json_parse(decoded.buf, decoded.len, JSON_PLAIN, ret, err) < 0)
        return err_wrap(err, "a policy document");
    return 0;
}

/* A list of strings: sorted; of one: the string itself. */
static void set_normalise(cJSON *object, const char *key)
{
    cJSON *list = json_get(object, key);
    if (!cJSON_IsArray(list))
        return;
    if (json_count(list) == 1)
        json_put(object, key, cJSON_DetachItemFromArray(list, 0));
    else
        json_sort(list, NULL);
}

/*
 * An account's number, where it stands for "arn:aws:iam::NUMBER:root": IAM stores that for it,
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
 */
static void account_normalise(cJSON *item)
{
    static const char middle[] = ":iam::", end[] = ":root";
    const char *text = cJSON_GetStringValue(item);
    const char *number = text != NULL ? strstr(text, middle) : NULL;
    if (number == NULL || !str_starts(text, "arn:aws"))
        return;
    number += strlen(middle);
    if (strspn(number, "0123456789") != 12 || strcmp(number + 12, end) != 0)
        return;
    _cleanup_free_ char *account = xstrndup(number, 12);
    cJSON_SetValuestring(item, account);
}

static void accounts_normalise(cJSON *principals)
{
    cJSON *accounts = json_get(principals, "AWS");
    account_normalise(accounts);
    for (cJSON *item = cJSON_IsArray(accounts) ? accounts->child : NULL; item != NULL;
         item = item->next)
        account_normalise(item);
}

static void members_normalise(cJSON *object)
{
    for (cJSON *item = object != NULL ? object->child : NULL; item != NULL;) {
        cJSON *next = item->next;
        set_normalise(object, item->string);
        item = next;
    }
}

static void statement_normalise(cJSON *statement)
{
    static const char *const sets[] = { "Action", "NotAction", "Resource", "NotResource" };
    static const char *const maps[] = { "Principal", "NotPrincipal" };
    for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
        set_normalise(statement, sets[i]);
    for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
        cJSON *principals = json_get(statement, maps[i]);
        if (!cJSON_IsObject(principals))
            continue;
        accounts_normalise(principals);
        members_normalise(principals);
    }
    cJSON *operator;
    cJSON_ArrayForEach (operator, json_get(statement, "Condition"))
        members_normalise(operator);
}

void policy_normalise(cJSON *document)
{
    cJSON *statements = json_get(document, "Statement");
    if (cJSON_IsObject(statements)) {
        cJSON *one = cJSON_DetachItemFromObjectCaseSensitive(document, "Statement");
        json_push(json_put_array(document, "Statement"), one);
        statements = json_get(document, "Statement");
    }
    cJSON *statement;
    cJSON_ArrayForEach (statement, statements)
        statement_normalise(statement);
}
