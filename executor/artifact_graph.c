/* SPDX-License-Identifier: MIT */
/*
 * The page's graph: a card for each kind of resource, with its resources in it, in layers from left
 * to right: what a kind needs stands to the left of it. Lines between cards are the script's, which
 * knows where the browser has put them; which ones there are is said here, in data-needs.
 */
#include "executor/artifact_page.h"

/* A card with more resources is folded at first, unless one of them failed: so that the whole graph
 * is seen at once. */
#define OPEN_MAX 4

struct kind {
    const char *type;
    const char *title;
    size_t layer;
    double order; /* within the layer */
    const struct page_item *first;
};

struct picture {
    struct kind *kinds; /* in the order of the report */
    size_t n;
    size_t *of; /* by item: which kind it is */
    size_t layers;
    bool *needs;   /* [i * n + j]: i needs j, directly; no circles */
    bool *reaches; /* the same over others, too */
};

static void picture_release(struct picture *pic)
{
    free(pic->kinds);
    free(pic->of);
    free(pic->needs);
    free(pic->reaches);
}
#define _cleanup_picture_ _cleanup_(picture_release)

static size_t kind_find(const struct picture *pic, const char *type)
{
    size_t i = 0;
    while (i < pic->n && !str_eq(pic->kinds[i].type, type))
        i++;
    return i;
}

static void take_kinds(const struct page *p, struct picture *pic)
{
    pic->kinds = xcalloc(p->n + 1, sizeof(*pic->kinds));
    pic->of = xcalloc(p->n + 1, sizeof(*pic->of));
    for (size_t i = 0; i < p->n; i++) {
        const cJSON *r = p->items[i].json;
        pic->of[i] = kind_find(pic, json_str(r, "type"));
        if (pic->of[i] == pic->n)
            pic->kinds[pic->n++] = (struct kind){ .type = json_str(r, "type"),
                                                  .title = json_str(r, "kinds"),
                                                  .first = &p->items[i] };
    }
}

static void take_needs(const struct page *p, struct picture *pic)
{
    size_t n = pic->n;
    pic->needs = xcalloc(n * n + 1, sizeof(bool));
    for (size_t i = 0; i < p->n; i++) {
        const cJSON *need;
        cJSON_ArrayForEach (need, json_get(p->items[i].json, "needs")) {
            const struct page_item *other = page_find(p, need->valuestring);
            if (other != NULL)
                pic->needs[pic->of[i] * n + pic->of[other->index]] = true;
        }
    }
}

static void take_reach(struct picture *pic)
{
    size_t n = pic->n;
    free(pic->reaches);
    pic->reaches = xcalloc(n * n + 1, sizeof(bool));
    memcpy(pic->reaches, pic->needs, n * n * sizeof(bool));
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                pic->reaches[i * n + j] =
                    pic->reaches[i * n + j] || (pic->reaches[i * n + k] && pic->reaches[k * n + j]);
}

/* Resources need each other in no circle, but kinds may: such needs are not drawn. */
static void drop_circles(struct picture *pic)
{
    size_t n = pic->n;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            if (pic->reaches[j * n + i])
                pic->needs[i * n + j] = false;
}

/* What follows from other lines is not drawn either: few lines can be read. */
static void drop_implied(struct picture *pic)
{
    size_t n = pic->n;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            for (size_t k = 0; k < n && pic->needs[i * n + j]; k++)
                if (k != j && pic->needs[i * n + k] && pic->reaches[k * n + j])
                    pic->needs[i * n + j] = false;
}

/* As far to the left as its needs allow; what needs nothing, just before what needs it. */
static void choose_layers(struct picture *pic)
{
    size_t n = pic->n;
    for (size_t round = 0; round < n; round++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                if (pic->needs[i * n + j] && pic->kinds[i].layer <= pic->kinds[j].layer)
                    pic->kinds[i].layer = pic->kinds[j].layer + 1;
    for (size_t j = 0; j < n; j++) {
        size_t nearest = SIZE_MAX;
        bool has_needs = false;
        for (size_t i = 0; i < n; i++) {
            has_needs = has_needs || pic->needs[j * n + i];
            if (pic->needs[i * n + j] && pic->kinds[i].layer < nearest)
                nearest = pic->kinds[i].layer;
        }
        if (!has_needs && nearest != SIZE_MAX)
            pic->kinds[j].layer = nearest - 1;
    }
    for (size_t i = 0; i < n; i++)
        if (pic->kinds[i].layer >= pic->layers)
            pic->layers = pic->kinds[i].layer + 1;
}

/* Near the middle of what it needs, so that lines cross less. */
static void choose_order(struct picture *pic)
{
    size_t n = pic->n;
    for (size_t i = 0; i < n; i++)
        pic->kinds[i].order = (double)i;
    for (size_t layer = 1; layer < pic->layers; layer++) {
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            unsigned count = 0;
            for (size_t j = 0; j < n && pic->kinds[i].layer == layer; j++) {
                if (!pic->needs[i * n + j])
                    continue;
                sum += pic->kinds[j].order;
                count++;
            }
            if (count > 0)
                pic->kinds[i].order = sum / count;
        }
    }
}

static void add_indexes(const struct page *p, const struct page_item *item, struct strbuf *out)
{
    const cJSON *need;
    const char *separator = "";
    cJSON_ArrayForEach (need, json_get(item->json, "needs")) {
        const struct page_item *other = page_find(p, need->valuestring);
        if (other == NULL)
            continue;
        strbuf_addf(out, "%s%zu", separator, other->index);
        separator = " ";
    }
}

static void add_resource(const struct page *p, const struct page_item *item, struct strbuf *out)
{
    strbuf_addf(out, "<li class=\"chip find s-%s%s\" data-r=\"%zu\" data-needs=\"",
                item->state->class, item->critical ? " critical" : "", item->index);
    add_indexes(p, item, out);
    strbuf_addf(out, "\"><a href=\"#r-%zu\" title=\"", item->index);
    html_text(out, json_str(item->json, "name"));
    strbuf_addf(out, "\"><i class=\"mark\" aria-hidden=\"true\">%s</i>", item->state->mark);
    html_element(out, "span", "label", page_label(p, item));
    strbuf_addf(out, "<span class=\"quiet\">, %s%s</span></a></li>", item->state->word,
                item->critical ? ", on the critical path" : "");
}

static void add_card(const struct page *p, const struct picture *pic, size_t kind,
                     struct strbuf *out)
{
    size_t n = 0;
    bool failed = false;
    const char *separator = "";
    _cleanup_strbuf_ struct strbuf chips = STRBUF_INIT, dots = STRBUF_INIT;
    for (size_t i = 0; i < p->n; i++) {
        if (pic->of[i] != kind)
            continue;
        n++;
        failed = failed || str_eq(p->items[i].state->class, "failed") ||
                 str_eq(p->items[i].state->class, "unfinished");
        add_resource(p, &p->items[i], &chips);
        strbuf_addf(&dots, "<i class=\"s-%s%s\"></i>", p->items[i].state->class,
                    p->items[i].critical ? " critical" : "");
    }
    strbuf_addf(out, "<details class=\"kind\"%s id=\"k-%zu\" data-needs=\"",
                n <= OPEN_MAX || failed ? " open" : "", kind);
    for (size_t j = 0; j < pic->n; j++) {
        if (!pic->needs[kind * pic->n + j])
            continue;
        strbuf_addf(out, "%s%zu", separator, j);
        separator = " ";
    }
    strbuf_adds(out, "\"><summary>");
    html_element(out, "span", "title",
                 n == 1 ? json_str(pic->kinds[kind].first->json, "kind") : pic->kinds[kind].title);
    strbuf_addf(out,
                " <span class=\"number\">%zu</span><span class=\"dots\" aria-hidden=\"true\">%s"
                "</span></summary><ul>%s</ul></details>",
                n, dots.buf, chips.buf);
}

/* The kind that comes next in a layer, of those not written yet; n: there is none. */
static size_t next_of_layer(const struct picture *pic, size_t layer, const bool *written)
{
    size_t next = pic->n;
    for (size_t i = 0; i < pic->n; i++)
        if (pic->kinds[i].layer == layer && !written[i] &&
            (next == pic->n || pic->kinds[i].order < pic->kinds[next].order))
            next = i;
    return next;
}

void page_graph(const struct page *p, struct strbuf *out)
{
    _cleanup_picture_ struct picture pic = { .n = 0 };
    if (p->n == 0) {
        strbuf_adds(out, "<p class=\"none\">It did not come to a graph.</p>");
        return;
    }
    take_kinds(p, &pic);
    take_needs(p, &pic);
    take_reach(&pic);
    drop_circles(&pic);
    take_reach(&pic);
    drop_implied(&pic);
    choose_layers(&pic);
    choose_order(&pic);
    _cleanup_free_ bool *written = xcalloc(pic.n + 1, sizeof(bool));
    strbuf_addf(out,
                "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Graph\"><div "
                "id=\"layers\" class=\"layers%s\">",
                pic.layers == 1 ? " flat" : "");
    strbuf_adds(out, "<svg class=\"edges\" aria-hidden=\"true\"></svg>");
    for (size_t layer = 0; layer < pic.layers; layer++) {
        size_t kind;
        strbuf_adds(out, "<div class=\"layer\">");
        while ((kind = next_of_layer(&pic, layer, written)) < pic.n) {
            add_card(p, &pic, kind, out);
            written[kind] = true;
        }
        strbuf_adds(out, "</div>");
    }
    strbuf_adds(out, "</div></div>");
}
