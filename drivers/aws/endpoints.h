/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_ENDPOINTS_H
#define BERTH_DRIVERS_AWS_ENDPOINTS_H

/*
 * Where each service is: AWS_ENDPOINT_URL_<SERVICE> over AWS_ENDPOINT_URL over AWS's own name of
 * the region's partition. https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
 *
 * The environment is read once, when the table is made; the table is const afterwards.
 */

#include <stdbool.h>

#include "drivers/aws/shapes.h"
#include "executor/base/err.h"

struct endpoint {
    char *url;    /* without a slash at the end: "https://ecs.us-east-1.amazonaws.com" */
    char *host;   /* the Host header's value, with the port unless it is the scheme's own */
    char *region; /* what requests are signed for */
    bool custom;  /* named by the environment: may be http, takes no host prefix */
};

struct endpoints;

/* ERR_INVALID: the region or an URL in the environment is not one. The caller frees *ret. */
int endpoints_new(const char *region, struct endpoints **ret, struct err *err);
void endpoints_free(struct endpoints *e);

/* The service's endpoint, which the table owns. */
const struct endpoint *endpoint_find(const struct endpoints *e, const struct service *service);

/*
 * Whether it has the shape of a region's name in any partition: "us-east-1", "us-gov-west-1",
 * "eusc-de-east-1" (https://github.com/boto/botocore/blob/develop/botocore/data/partitions.json).
 * It becomes part of host names and ARNs: nothing else may come through, and no service's name,
 * for "logs.s3.amazonaws.com" is somebody's bucket. NULL is none.
 */
bool region_is_valid(const char *region);

/* The partition that a region is in: "us-gov-west-1" is PARTITION_AWS_US_GOV. */
enum partition_id endpoint_partition(const char *region);

#endif
