// SPDX-License-Identifier: BSD-2-Clause
#include "security.h"
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <coax/credentials.h>
#include "tool.h"

#define KEY_MAX 64 /* RFC 4279 section 5.3 */

/* Whoever lists processes sees their arguments. */
static char *take_secret(char *argument)
{
	char *copy = strdup(argument);

	memset(argument, '*', strlen(argument));
	return copy;
}

bool security_option(struct security *security, int option)
{
	switch (option) {
	case SECURITY_CREDENTIALS:
		security->file = optarg;
		return true;
	case 'u':
		security->identity = optarg;
		return true;
	case 'k':
		security_forget(security);
		security->key = take_secret(optarg);
		return true;
	case SECURITY_AUTHORITIES:
		security->authorities = optarg;
		return true;
	case SECURITY_CERTIFICATE:
		security->certificate = optarg;
		return true;
	case SECURITY_KEY:
		security->private_key = optarg;
		return true;
	default:
		return false;
	}
}

void security_forget(struct security *security)
{
	if (security->key)
		sodium_memzero(security->key, strlen(security->key));
	free(security->key);
	security->key = NULL;
}

static int from_psk(const struct tool *tool, struct coax_credentials **credentials)
{
	const struct security *security = &tool->security;
	const void *key = security->key;
	size_t length = strlen(security->key);
	uint8_t bytes[KEY_MAX];
	int status = TOOL_OK;

	if (strncmp(security->key, "0x", 2) == 0) {
		if (tool_read_hex(security->key, bytes, sizeof(bytes), &length))
			return tool_fail(tool, "--psk: behind 0x give pairs of hex digits, for at "
					       "most 64 bytes");
		key = bytes;
	}
	if (coax_credentials_for_psk(credentials, security->identity, strlen(security->identity),
				     key, length))
		status =
			tool_fail(tool, "give an identity of 1 to 128 bytes, and a key of 1 to 64");
	sodium_memzero(bytes, sizeof(bytes));
	return status;
}

int security_credentials(const struct tool *tool, struct coax_credentials **credentials)
{
	const struct security *security = &tool->security;
	bool psk = security->identity || security->key;
	bool certificates = security->authorities || security->certificate || security->private_key;
	char error[COAX_CREDENTIALS_ERROR_MAX] = "";
	int err;

	if (!!security->file + psk + certificates > 1)
		return tool_fail(tool, "give --credentials, or --user and --psk, or --ca, --cert "
				       "and --key, but not several of these");
	if (psk && !(security->identity && security->key))
		return tool_fail(tool, "--user and --psk go together");
	if (!security->certificate != !security->private_key)
		return tool_fail(tool, "--cert and --key go together");
	if (psk)
		return from_psk(tool, credentials);
	if (security->file)
		err = coax_credentials_load(credentials, security->file, error);
	else
		err = coax_credentials_for_certificates(credentials, security->authorities,
							security->certificate,
							security->private_key, error);
	return err ? tool_fail(tool, "%s", *error ? error : strerror(-err)) : TOOL_OK;
}
