/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Patterns in which '*' stands for any characters, none too.
 */
#ifndef COAX_CREDENTIALS_WILDCARD_H
#define COAX_CREDENTIALS_WILDCARD_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Text in up to three pieces, one after the other. What is in the first one is compared without
 * regard to case; in a pattern it is lower case already.
 */
struct coax_wildcard_text {
	struct {
		const char *at;
		size_t length;
	} pieces[3];
};

/* Whether all of the text fits the pattern. Takes at most length times length steps. */
bool coax_wildcard_fits(const char *pattern, size_t length, const struct coax_wildcard_text *text);

#endif
