/* SPDX-License-Identifier: MIT */
#include "drivers/cloudformation.h"

/*
 * Topics that nobody hears. A subscription by e-mail waits until its link is followed, for three
 * days (https://aws.amazon.com/sns/faqs/), and CloudFormation does not wait with it.
 */

static bool is_topic(const cJSON *output)
{
    const char *value = cJSON_GetStringValue(output);
    return value != NULL && str_starts(value, "arn:") && strstr(value, ":sns:") != NULL;
}

static void warn_pending(struct resource *r, const char *topic, const cJSON *subscription)
{
    const char *address = json_str(subscription, "Endpoint");
    const char *protocol = json_str(subscription, "Protocol");
    bool mail = protocol != NULL && str_starts(protocol, "email");
    graph_warn(r->graph,
               "%s: nobody has confirmed the subscription of '%s' to topic '%s': its notifications "
               "reach nobody there until the link in AWS's %s to that address is followed; after "
               "three days AWS forgets it, and 'aws sns subscribe --topic-arn %s --protocol %s "
               "--notification-endpoint %s' has another %s sent",
               resource_origin(r), address, topic, mail ? "mail" : "request", topic, protocol,
               address, mail ? "mail" : "request");
}

static void topic_check(struct session *s, struct resource *r, const char *topic)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    json_put_str(input, "TopicArn", topic);
    _cleanup_json_ cJSON *subscriptions = NULL;
    _cleanup_err_ struct err failure = ERR_INIT;
    if (aws_call_all(s, "sns", "ListSubscriptionsByTopic", input, "Subscriptions", &subscriptions,
                     &failure) < 0) {
        if (failure.class != ERR_CANCELLED)
            graph_warn(r->graph, "%s: whether anybody hears topic '%s' is not known: %s",
                       resource_origin(r), topic, failure.message);
        return;
    }
    if (json_count(subscriptions) == 0)
        graph_warn(r->graph,
                   "%s: topic '%s' has no subscription: its notifications reach nobody; add one by "
                   "'aws sns subscribe --topic-arn %s --protocol email --notification-endpoint "
                   "ADDRESS'",
                   resource_origin(r), topic, topic);
    const cJSON *subscription;
    cJSON_ArrayForEach (subscription, subscriptions)
        if (str_eq(json_str(subscription, "SubscriptionArn"), "PendingConfirmation"))
            warn_pending(r, topic, subscription);
}

void stack_check_topics(struct session *s, struct resource *r)
{
    const cJSON *output;
    cJSON_ArrayForEach (output, r->outputs)
        if (is_topic(output))
            topic_check(s, r, output->valuestring);
}
