/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Access rules as requests meet them, and those who serve a Site, who are told when they change.
 */
#ifndef COAX_SITE_ACCESS_H
#define COAX_SITE_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <urcu/list.h>
#include <coax/access.h>
#include "site/path.h"

/*
 * Whether who has these claims (NULL: comes without security) may use a method on what is at a
 * path. `access` NULL: everybody may.
 */
bool coax_access_allows(const struct coax_access *access, const struct coax_claims *claims,
			uint8_t method, const struct coax_site_path *path);

/* The same for GET of the target of a link, which is text. What is not below "/" is not ours. */
bool coax_access_lists(const struct coax_access *access, const struct coax_claims *claims,
		       const char *target, size_t length);

/* Who serves a Site. */
struct coax_site_user {
	struct cds_list_head node;
	/*
	 * What the Site answers from now on is not what it answered before. On return nothing of
	 * that is repeated to anybody. It may wait for an RCU grace period.
	 */
	void (*changed)(struct coax_site_user *user);
	struct coax_site *site; /* NULL: none */
};

/* From now on `user` serves `site` instead of the one before; either may be NULL. */
void coax_site_serve(struct coax_site_user *user, struct coax_site *site);

#endif
