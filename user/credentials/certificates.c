// SPDX-License-Identifier: BSD-2-Clause
/*
 * A client's certificates without a file of credentials.
 */
#include <errno.h>
#include <stdio.h>
#include "credentials/pem.h"
#include "credentials/set.h"

typedef const char *(*check_fn)(const char *text);

/* Read and check a file. NULL: there is none, which is no error. */
static int read_checked(const char *file, check_fn check, char **text, char *error)
{
	const char *problem = NULL;
	int err;

	if (!file)
		return 0;
	err = coax_pem_read(file, text, &problem);
	if (!err) {
		problem = check(*text);
		err = problem ? -EINVAL : 0;
	}
	if (err)
		snprintf(error, COAX_CREDENTIALS_ERROR_MAX, "%.300s: %s", file, problem);
	return err;
}

static int read_certificates(struct coax_certificates *read, const char *authorities,
			     const char *certificate, const char *key, char *error)
{
	const char *problem;
	int err;

	read->system_authorities = !authorities;
	err = read_checked(authorities, coax_pem_check_certificates, &read->authorities, error);
	if (!err)
		err = read_checked(certificate, coax_pem_check_certificates, &read->chain, error);
	if (!err)
		err = read_checked(key, coax_pem_check_private_key, &read->key, error);
	if (err || !certificate)
		return err;
	problem = coax_pem_check_pair(read->chain, read->key);
	if (!problem)
		return 0;
	snprintf(error, COAX_CREDENTIALS_ERROR_MAX, "%.200s, %.200s: %s", certificate, key,
		 problem);
	return -EINVAL;
}

int coax_credentials_for_certificates(struct coax_credentials **credentials,
				      const char *authorities, const char *certificate,
				      const char *key, char *error)
{
	struct coax_credential *entry;
	struct coax_credentials *set;
	int err;

	if (!certificate != !key) {
		snprintf(error, COAX_CREDENTIALS_ERROR_MAX,
			 "a certificate and its key go together: the %s is missing",
			 key ? "certificate" : "key");
		return -EINVAL;
	}
	err = coax_credentials_create_for_all(&set, COAX_CREDENTIAL_CERTIFICATES, &entry);
	if (err) {
		snprintf(error, COAX_CREDENTIALS_ERROR_MAX, "there is no memory for credentials");
		return err;
	}
	err = read_certificates(&entry->certificates, authorities, certificate, key, error);
	if (err)
		coax_credentials_release(set);
	else
		*credentials = set;
	return err;
}
