/* SPDX-License-Identifier: MIT */
#ifndef BERTH_GRAFANAWORK_H
#define BERTH_GRAFANAWORK_H

/*
 * The job that makes Grafana's users: an errand on an environment that writes nothing to AWS.
 */

#include "executor/deploy.h"

/*
 * After deploy_resolve(). Waits for Grafana, and takes the environment's lock only then: the deploy
 * that brings Grafana up must not wait for this job. Says the verdict; leaves the outputs in the
 * project's directory, whose descriptor is `checkout`.
 */
int grafanawork(struct deploy *d, bool plan, int checkout, struct err *err);

#endif
