/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that coaxd can be told, by its command line and by its configuration file: one table of what
 * there is, how a value is written, and whether a running daemon takes a new one.
 */
#ifndef COAXD_SETTINGS_H
#define COAXD_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct coaxd_options;

#define COAXD_PROBLEM_MAX 512

struct coaxd_setting {
	const char *section; /* of the file; NULL: none */
	const char *key;     /* in there; NULL: the section's title */
	const char *option;  /* of the command line, without its dashes; NULL: it has none */
	/* Returns 0, or -EINVAL with *problem what it takes instead. */
	int (*take)(struct coaxd_options *options, const struct coaxd_setting *setting,
		    const char *text, char problem[COAXD_PROBLEM_MAX]);
	/* What a number is between; of a list: how many there can be. */
	uint32_t min;
	uint32_t max;
	size_t at;	 /* where it is in the options; of a list: its first element */
	size_t count_at; /* of a list: its length */
	bool list;	 /* more than one may be given */
	bool flag;	 /* the command line takes no value */
	bool fixed;	 /* another value takes a restart */
	bool serve;	 /* of each directory: where it is in the first one's */
};

extern const struct coaxd_setting coaxd_settings[];
extern const size_t coaxd_setting_count;

/* A value as it was given. The options point into it. */
struct coaxd_text {
	struct coaxd_text *next;
	const struct coaxd_setting *setting; /* NULL: another one took its place */
	char text[];
};

/*
 * Take a value; one of a list is added. Returns 0; -EINVAL with *problem what is wrong, as "takes
 * a number from 1 to 256, not "x""; or -ENOMEM.
 */
int coaxd_settings_take(struct coaxd_options *options, const struct coaxd_setting *setting,
			const char *text, char problem[COAXD_PROBLEM_MAX]);

/* Forget what was given. */
void coaxd_settings_reset(struct coaxd_options *options, const struct coaxd_setting *setting);

bool coaxd_settings_have(const struct coaxd_options *options, const struct coaxd_setting *setting);

/* Whether both were given the same. */
bool coaxd_settings_are_equal(const struct coaxd_options *a, const struct coaxd_options *b,
			      const struct coaxd_setting *setting);

/* "limits: requests", "credentials": as it is called in the file. */
const char *coaxd_settings_name(const struct coaxd_setting *setting, char name[64]);

#endif
