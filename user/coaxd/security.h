/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whom coaxd believes, and what they may do: its credentials and access rules.
 */
#ifndef COAXD_SECURITY_H
#define COAXD_SECURITY_H

#include <stddef.h>
#include <coax/access.h>
#include <coax/log.h>

#define COAXD_RULES_MAX 64

struct coax_context;
struct coax_credentials;
struct coax_site;

struct coaxd_security {
	const char *file; /* of credentials; NULL: none */
	struct coax_access_rule rules[COAXD_RULES_MAX];
	size_t rule_count;
	char *texts[COAXD_RULES_MAX]; /* that the rules point into */
};

/*
 * Add a rule: "PATH WHO METHODS", the methods by their names with commas between them, or "all",
 * "read" or "none". Returns 0, -EINVAL with *problem what is wrong with it, -ENOSPC or -ENOMEM.
 */
int coaxd_security_add_rule(struct coaxd_security *security, const char *text,
			    const char **problem);

/*
 * Have a Site's requests checked by the rules, and by those of `also` (NULL: none) as well. Returns
 * 0 or a negative errno; then nothing has changed.
 */
int coaxd_security_apply(const struct coaxd_security *security, const struct coaxd_security *also,
			 struct coax_site *site);

/* Read the file. Returns 0 with what is held (NULL: no file); or a negative errno, and `error` why.
 */
int coaxd_security_load(const struct coaxd_security *security,
			struct coax_credentials **credentials, char *error);

void coaxd_security_free(struct coaxd_security *security);

#endif
