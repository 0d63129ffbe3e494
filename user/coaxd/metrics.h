/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The figures for Prometheus, by HTTP at /metrics.
 */
#ifndef COAXD_METRICS_H
#define COAXD_METRICS_H

#include <stdbool.h>
#include <coax/log.h>

struct coaxd_counting;
struct coaxd_metrics;

/*
 * Whether it can be where to listen: "127.0.0.1:9100", "[::1]:9100", "unix:/run/coax/metrics"; an
 * address that is not loopback only if `anywhere`. Returns NULL, or what is wrong.
 */
const char *coaxd_metrics_check(const char *at, bool anywhere);

/*
 * Serve them there, by a thread without capabilities, until coaxd_metrics_end(), which comes before
 * the Context's end; `at` and `of` stay as long. Where another daemon listens, it waits for that to
 * end. Returns 0 or a negative errno, and has said why.
 */
int coaxd_metrics_begin(struct coaxd_metrics **metrics, const char *at,
			const struct coaxd_counting *of, const struct coax_logger *logger);

/* NULL: nothing. */
void coaxd_metrics_end(struct coaxd_metrics *metrics);

#endif
