/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Credentials for coaps, as the command line gives them.
 */
#ifndef COAX_SECURITY_H
#define COAX_SECURITY_H

#include <getopt.h>
#include <stdbool.h>

struct coax_credentials;
struct tool;

struct security {
	const char *file;     /* in aiocoap's format */
	const char *identity; /* of a pre-shared key */
	char *key; /* a copy: the argument is overwritten, where everybody could read it */
	const char *authorities;
	const char *certificate;
	const char *private_key;
};

enum {
	SECURITY_CREDENTIALS = 512,
	SECURITY_AUTHORITIES,
	SECURITY_CERTIFICATE,
	SECURITY_KEY,
};

/* To be among the options of who sends requests. */
#define SECURITY_SHORT "u:k:"
#define SECURITY_LONG                                                                          \
	{"credentials", required_argument, NULL, SECURITY_CREDENTIALS},                        \
		{"user", required_argument, NULL, 'u'}, {"psk", required_argument, NULL, 'k'}, \
		{"ca", required_argument, NULL, SECURITY_AUTHORITIES},                         \
		{"cert", required_argument, NULL, SECURITY_CERTIFICATE},                       \
	{                                                                                      \
		"key", required_argument, NULL, SECURITY_KEY                                   \
	}

/* Take `option` of getopt_long() if it is one of these. Returns whether it is. */
bool security_option(struct security *security, int option);

/*
 * The set that they make, held. Returns TOOL_OK or, having said why, another exit status.
 */
int security_credentials(const struct tool *tool, struct coax_credentials **credentials);

/* Cleanse what is secret. */
void security_forget(struct security *security);

#endif
