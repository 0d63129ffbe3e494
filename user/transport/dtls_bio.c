// SPDX-License-Identifier: BSD-2-Clause
/*
 * What OpenSSL reads is the one record that was laid out for it; what it writes at once is one
 * datagram.
 */
#include <string.h>
#include "dtls_internal.h"

static int wire_read(BIO *bio, char *out, int size)
{
	struct coax_dtls *dtls = ((struct coax_dtls_session *)BIO_get_data(bio))->dtls;
	size_t length = dtls->input_length;

	BIO_clear_retry_flags(bio);
	if (!length || size <= 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	if (length > (size_t)size)
		length = (size_t)size;
	memcpy(out, dtls->input, length);
	dtls->input_length = 0;
	return (int)length;
}

static int wire_write(BIO *bio, const char *data, int length)
{
	struct coax_dtls_session *session = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (length > 0)
		session->dtls->ops->send(session->dtls->arg, &session->path, (const uint8_t *)data,
					 (size_t)length);
	return length;
}

static long wire_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *coax_dtls_wire_create(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams");

	if (!method)
		return NULL;
	if (!BIO_meth_set_read(method, wire_read) || !BIO_meth_set_write(method, wire_write) ||
	    !BIO_meth_set_ctrl(method, wire_ctrl)) {
		BIO_meth_free(method);
		return NULL;
	}
	return method;
}
