/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The links of a link-format document (RFC 6690), as far as they pass filters.
 */
#ifndef COAX_LINKS_H
#define COAX_LINKS_H

#include <stdio.h>
#include <coax/link.h>

/* Filters as the command line gives them; all of them must fit. */
struct link_filters {
	char *const *text;
	int count;
};

/* The next link that passes. Returns 1, 0 at the end, or -EBADMSG. */
int links_next(struct coax_text *document, const struct link_filters *filters,
	       struct coax_link *link);

/*
 * One a line, behind `indent`, the attributes aligned. Returns how many, or -EBADMSG; what is in
 * front of the fault may have been printed then.
 */
int links_print(FILE *to, const struct coax_text *document, const struct link_filters *filters,
		const char *indent);

#endif
