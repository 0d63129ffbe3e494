/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What coax top shows: what was counted at two times, and what was seen in between.
 */
#ifndef COAX_TOP_H
#define COAX_TOP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "instance.h"
#include "maps.h"

#define TOP_ROWS_MAX 10

/* What is counted at one time. */
struct top_counts {
	uint64_t at; /* ns */
	bool answering;
	struct coax_stats kernel;
	json_t *figures; /* the daemon's; NULL: it does not answer */
};

/*
 * How often replies are sent is counted by nobody. It is estimated: by how many of some looks at
 * a slot it had been used since the one before.
 */
struct top_uses {
	struct map_view slots;
	uint16_t *seen; /* of the looks, by slot */
	uint32_t looks;
	uint32_t entries; /* that may be sent, at the last one */
};

/* A reply that is sent often. */
struct top_resource {
	uint32_t slot;
	uint16_t seen;
};

/* A source of requests that userspace remembers. */
struct top_source {
	uint8_t address[16];
	uint32_t count;
};

/* Since the time before. */
struct top_interval {
	const struct instance *instance;
	struct top_counts before, now;
	struct top_uses uses;
	double look_s; /* between two looks */
	struct top_resource resources[TOP_ROWS_MAX];
	size_t resource_count;
	struct top_source sources[TOP_ROWS_MAX];
	size_t source_count;
};

/* Returns TOOL_OK, or having said why, TOOL_LOCAL_ERROR. top_end() in any case. */
int top_begin(struct top_interval *interval, const struct instance *instance);
void top_end(struct top_interval *interval);

/* How many looks are to be taken a second: fewer where there are many slots. */
unsigned int top_looks(const struct top_interval *interval);
void top_look(struct top_interval *interval);

/* What has been seen begins anew, and what was counted now is what was counted before. */
void top_advance(struct top_interval *interval);
/* Count and rank. As top_begin(). */
int top_read(struct top_interval *interval);

/* As lines of text, safe for a terminal, and as a JSON object. */
void top_show(const struct top_interval *interval, FILE *to);
json_t *top_json(const struct top_interval *interval);

#endif
