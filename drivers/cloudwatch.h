/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_CLOUDWATCH_H
#define BERTH_DRIVERS_CLOUDWATCH_H

/*
 * What the files of the driver share. cloudwatch.c says what the spec wants; an alarm's members are
 * judged in cloudwatch_alarm_check.c; cloudwatch_alarm.c and cloudwatch_dashboard.c are the two
 * kinds of resources.
 *
 * Whose an alarm or a dashboard is, its tags say, and each is asked for them by a call of its own
 * (cloudwatch_tags.c). What is there exactly as it is wanted is therefore taken for ours without
 * asking, since nothing will be written to it; before anything is overwritten or removed the tags
 * have been read.
 */

#include "drivers/resource.h"

extern const struct resource_type cloudwatch_alarm_type;
extern const struct resource_type cloudwatch_dashboard_type;

/*
 * Whether r->have, whose sets it brings into the wanted order, is what r wants. A reference to a
 * type that is not read before r's own is not looked at: then the answer is no.
 */
bool cloudwatch_is_as_wanted(struct resource *r);

/* Takes r for ours until cloudwatch_check_owner() asks. */
void cloudwatch_assume_owner(struct resource *r);
/* Reads the tags of n resources whose output "Arn" is set, at the same time; one that is gone
 * becomes absent. */
int cloudwatch_read_tags(struct session *s, struct resource *const *r, size_t n, struct err *err);
/* Before r is overwritten or removed: ERR_CONFLICT if it is not ours after all. */
int cloudwatch_check_owner(struct session *s, struct resource *r, struct err *err);
/* Brings r's tags to what they should be, where they are not: what writes r does not change them.
 */
int cloudwatch_repair_tags(struct session *s, struct resource *r, struct err *err);
/* Whether r is only taken for ours. */
bool cloudwatch_is_assumed(const struct resource *r);
/* After r was created with its tags. */
void cloudwatch_set_tags(struct resource *r);

/*
 * Brings an alarm, as the spec or DescribeAlarms has it, into the one form in which equal alarms
 * are equal JSON but for the order of sets: AWS's defaults and empty lists are left out.
 */
void cloudwatch_alarm_normalise(cJSON *alarm);
/*
 * ERR_USER with `path` in front where AWS would refuse the members of PutMetricAlarm, which may
 * hold references. https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/
 * API_PutMetricAlarm.html
 */
int cloudwatch_alarm_check(const char *path, const cJSON *alarm, struct err *err);
/* ERR_REFUSED where the alarm would do more than notify an SNS topic and the host's limits do not
 * say that it may; references that are not known yet pass. */
int cloudwatch_actions_check(const struct graph *g, const char *path, const cJSON *alarm,
                             struct err *err);

/* Deletes an alarm, together with what other threads delete at the same time; absent is success. */
int cloudwatch_alarm_delete(struct session *s, const char *name, struct err *err);

/* The dashboard that berth makes from the spec's services. The caller owns it. */
cJSON *cloudwatch_default_dashboard(const struct graph *g, const cJSON *spec);

#endif
