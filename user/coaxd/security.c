// SPDX-License-Identifier: BSD-2-Clause
#include "coaxd/security.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <coax/context.h>
#include <coax/credentials.h>
#include <coax/option.h>

static int add_method(const char *name, uint32_t *methods)
{
	static const struct {
		const char *name;
		uint32_t methods;
	} known[] = {
		{"get", COAX_ACCESS_METHOD(COAX_GET)},
		{"post", COAX_ACCESS_METHOD(COAX_POST)},
		{"put", COAX_ACCESS_METHOD(COAX_PUT)},
		{"delete", COAX_ACCESS_METHOD(COAX_DELETE)},
		{"fetch", COAX_ACCESS_METHOD(COAX_FETCH)},
		{"patch", COAX_ACCESS_METHOD(COAX_PATCH)},
		{"ipatch", COAX_ACCESS_METHOD(COAX_IPATCH)},
		{"read", COAX_ACCESS_READ},
		{"all", COAX_ACCESS_ALL},
		{"none", COAX_ACCESS_METHOD(COAX_EMPTY)}, /* which no request has */
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcasecmp(name, known[i].name))
			continue;
		*methods |= known[i].methods;
		return 0;
	}
	return -EINVAL;
}

static int read_methods(char *text, uint32_t *methods)
{
	char *name;

	*methods = 0;
	while ((name = strsep(&text, ",")))
		if (add_method(name, methods))
			return -EINVAL;
	return 0;
}

/* Takes `text` apart. */
static const char *read_rule(char *text, struct coax_access_rule *rule)
{
	char *path = strsep(&text, " "), *methods = text ? strrchr(text, ' ') : NULL;
	size_t bad;
	struct coax_access *access;

	if (!methods || methods == text)
		return "it is PATH WHO METHODS, with a space between them";
	/* A subject's name has spaces of its own. */
	*methods++ = '\0';
	rule->path = path;
	rule->who = text;
	if (read_methods(methods, &rule->methods))
		return "methods are get, post, put, delete, fetch, patch and ipatch with commas "
		       "between them, or read, all or none";
	if (coax_access_create(&access, rule, 1, &bad) == -EINVAL)
		return "the path begins with '/', and who is *, secure, :LABEL, psk:PATTERN, "
		       "subject:PATTERN, name:PATTERN or key:SHA-256";
	coax_access_destroy(access);
	return NULL;
}

int coaxd_security_add_rule(struct coaxd_security *security, const char *text, const char **problem)
{
	size_t at = security->rule_count;

	if (at == COAXD_RULES_MAX)
		return -ENOSPC;
	security->texts[at] = strdup(text);
	if (!security->texts[at])
		return -ENOMEM;
	*problem = read_rule(security->texts[at], &security->rules[at]);
	if (*problem) {
		free(security->texts[at]);
		return -EINVAL;
	}
	security->rule_count++;
	return 0;
}

/* NULL where there are none. */
static int compile(const struct coaxd_security *security, struct coax_access **access)
{
	size_t bad;

	*access = NULL;
	return security->rule_count
		       ? coax_access_create(access, security->rules, security->rule_count, &bad)
		       : 0;
}

int coaxd_security_apply(const struct coaxd_security *security, const struct coaxd_security *also,
			 struct coax_site *site)
{
	struct coax_access *access, *second = NULL;
	int err = compile(security, &access);

	if (!err && also)
		err = compile(also, &second);
	if (access && second)
		coax_access_narrow(access, second);
	else if (second)
		access = second;
	if (!err)
		err = coax_site_set_access(site, access);
	if (err)
		coax_access_destroy(access);
	return err;
}

int coaxd_security_load(const struct coaxd_security *security,
			struct coax_credentials **credentials, char *error)
{
	int err;

	*credentials = NULL;
	if (!security->file)
		return 0;
	*error = '\0';
	err = coax_credentials_load(credentials, security->file, error);
	if (err && !*error)
		snprintf(error, COAX_CREDENTIALS_ERROR_MAX, "%s: %s", security->file,
			 strerror(-err));
	if (err == -EACCES)
		snprintf(error + strlen(error), COAX_CREDENTIALS_ERROR_MAX - strlen(error),
			 "; the user that the daemon serves as has to have access");
	return err;
}

void coaxd_security_free(struct coaxd_security *security)
{
	while (security->rule_count)
		free(security->texts[--security->rule_count]);
}
