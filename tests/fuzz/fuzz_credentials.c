// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any text is a set of credentials, or an error that says where: file and line. What was loaded is
 * found by its own names, and no entry is both a client's alone and a server's.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "credentials/credentials.h"

#define FILE_NAME "/dev/null/c.json"

static void check_identity(const struct coax_credentials *set,
			   const struct coax_credential *credential)
{
	const struct coax_psk *psk = &credential->psk;
	const struct coax_credential *found = coax_credentials_for_identity(
		set, credential->server_name, psk->identity, psk->identity_length);

	assert(psk->key_length && psk->key_length <= COAX_PSK_KEY_MAX);
	assert(psk->identity_length && psk->identity_length <= COAX_PSK_IDENTITY_MAX);
	/* One of an all-of is not found, unless another one has its identity. */
	assert(!found || found->label[0] == ':');
	assert(!found || found->psk.identity_length == psk->identity_length);
}

static void check_set(const struct coax_credentials *set)
{
	const struct coax_credential *credential;

	for (size_t i = 0; (credential = coax_credentials_at(set, i)); i++) {
		assert(credential->number == i);
		assert(coax_credential_equal(credential, credential));
		if (credential->kind == COAX_CREDENTIAL_PSK)
			check_identity(set, credential);
		(void)coax_credentials_for_uri(set, credential->label);
	}
	for (size_t i = 0; (credential = coax_credentials_own(set, i)); i++)
		assert(credential->label[0] == ':' && credential->certificates.key);
	(void)coax_credentials_for_uri(set, "coaps://[2001:db8::1]:5684/a*b");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[COAX_CREDENTIALS_ERROR_MAX] = "";
	char *text = malloc(size ? size : 1);
	struct coax_credentials *set;

	memcpy(text, data, size);
	if (coax_credentials_parse(&set, text, size, FILE_NAME, error) == 0) {
		check_set(set);
		coax_credentials_release(set);
	} else {
		assert(strncmp(error, FILE_NAME ":", strlen(FILE_NAME ":")) == 0);
		assert(strlen(error) < sizeof(error));
	}
	free(text);
	return 0;
}
