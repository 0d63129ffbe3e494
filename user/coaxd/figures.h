/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's figures: one list of them, by the names that Prometheus knows them by, from which
 * all are made that show them.
 */
#ifndef COAXD_FIGURES_H
#define COAXD_FIGURES_H

#include <stdint.h>
#include <stdio.h>
#include <coax/context.h>
#include "proxy/proxy.h"

/* Whose they are. */
struct coaxd_counting {
	const struct coax_context *context;
	struct coax_proxy *const *proxy; /* to where it is; NULL: there is none so far */
};

enum coaxd_figure_type {
	COAXD_COUNTER, /* only grows while the daemon runs */
	COAXD_GAUGE,
	COAXD_HISTOGRAM, /* of counters: those up to a bound, then sum and number of them all */
};

struct coaxd_label {
	const char *name; /* NULL: none */
	const char *value;
};

#define COAXD_LABELS_MAX 2

/* One value. Those of one name come one behind the other, with the same help and type. */
struct coaxd_figure {
	const char *name;
	const char *part; /* of a histogram: "_bucket", "_sum" (in ns, shown in s), "_count" */
	const char *help;
	enum coaxd_figure_type type;
	const char *origin; /* whose it is: a label before the others; NULL: nobody's */
	/* The last one tells it from all others of its name, and origin. */
	struct coaxd_label labels[COAXD_LABELS_MAX];
	uint64_t value;
};

typedef void (*coaxd_figure_fn)(void *arg, const struct coaxd_figure *figure);

/* Look at all of them. Any thread. */
void coaxd_figures_visit(const struct coaxd_counting *of, coaxd_figure_fn visit, void *arg);

/*
 * Write them: as Prometheus reads them (text format 0.0.4), or as a JSON object of values by name;
 * those with labels are objects themselves, by the last label's value, and so are histograms, by
 * bound, and with sum and count; those of origins are objects of these, by the origin. Any thread.
 */
void coaxd_figures_prometheus(const struct coaxd_counting *of, FILE *to);
void coaxd_figures_json(const struct coaxd_counting *of, FILE *to);

/*
 * Have one of these write to memory, which is for the caller to free. Returns 0 or -ENOMEM. Any
 * thread.
 */
int coaxd_figures_text(const struct coaxd_counting *of,
		       void (*write)(const struct coaxd_counting *of, FILE *to), char **text,
		       size_t *length);

#endif
