// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a process has in memory; and what sessions take of it when there is nothing but OpenSSL.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "resident.h"

/* Made before it counts: what OpenSSL has once. */
#define WARM_UP 16

double resident_bytes(pid_t pid)
{
	unsigned long long pages;
	double bytes = -1;
	char path[64];
	FILE *file;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	else
		snprintf(path, sizeof(path), "/proc/self/statm");
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%*u %llu", &pages) == 1)
		bytes = (double)pages * (double)sysconf(_SC_PAGESIZE);
	fclose(file);
	return bytes;
}

/* A pair has a pipe each way; what one writes at once may reach the other in parts, which DTLS
 * does not mind. */
static SSL *make_end(SSL_CTX *context, BIO *in, BIO *out, bool server)
{
	SSL *ssl = SSL_new(context);

	if (!ssl)
		return NULL;
	BIO_up_ref(in);
	BIO_up_ref(out);
	SSL_set_bio(ssl, in, out);
	SSL_set_mtu(ssl, SECURE_MTU);
	if (server)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	return ssl;
}

static bool shake(SSL *client, SSL *server)
{
	for (unsigned int round = 0; round < 8; round++) {
		int there = SSL_do_handshake(client), here = SSL_do_handshake(server);

		if (there == 1 && here == 1)
			return true;
	}
	return false;
}

/* A server's end that is established, and nothing else of it; NULL: that did not work. */
static SSL *make_session(SSL_CTX *client_context, SSL_CTX *server_context)
{
	BIO *there = BIO_new(BIO_s_mem()), *here = BIO_new(BIO_s_mem());
	SSL *client = NULL, *server = NULL;

	if (there && here) {
		client = make_end(client_context, here, there, false);
		server = make_end(server_context, there, here, true);
	}
	if (!client || !server || !shake(client, server)) {
		SSL_free(server);
		server = NULL;
	} else {
		SSL_set_bio(server, NULL, NULL);
	}
	SSL_free(client);
	BIO_free(there);
	BIO_free(here);
	return server;
}

double resident_of_openssl(const struct secure_options *options, unsigned int count)
{
	SSL_CTX *client = secure_context(options, false), *server = secure_context(options, true);
	SSL **sessions = calloc(count + WARM_UP, sizeof(*sessions));
	double bytes = -1;

	for (unsigned int i = 0; client && server && sessions && i < count + WARM_UP; i++) {
		if (i == WARM_UP)
			bytes = -resident_bytes(0);
		sessions[i] = make_session(client, server);
		if (!sessions[i])
			goto out;
	}
	bytes = (bytes + resident_bytes(0)) / count;
out:
	for (unsigned int i = 0; sessions && i < count + WARM_UP; i++)
		SSL_free(sessions[i]);
	free(sessions);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
	return bytes;
}
