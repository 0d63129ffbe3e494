// SPDX-License-Identifier: BSD-2-Clause
/*
 * Handshakes for people who look on: which messages went there and back, and what came of it. Of
 * what is in them nothing is told but an alert's number.
 */
#include <stdio.h>
#include <sodium.h>
#include "codec/text.h"
#include "dtls_internal.h"

#define PEER_TEXT_MAX 768

/* RFC 5246 section 7.4, RFC 6347 section 4.3.2, RFC 5077, RFC 6066 section 8 */
static const char *const message_names[] = {
	[SSL3_MT_HELLO_REQUEST] = "HelloRequest",
	[SSL3_MT_CLIENT_HELLO] = "ClientHello",
	[SSL3_MT_SERVER_HELLO] = "ServerHello",
	[DTLS1_MT_HELLO_VERIFY_REQUEST] = "HelloVerifyRequest",
	[SSL3_MT_NEWSESSION_TICKET] = "NewSessionTicket",
	[SSL3_MT_CERTIFICATE] = "Certificate",
	[SSL3_MT_SERVER_KEY_EXCHANGE] = "ServerKeyExchange",
	[SSL3_MT_CERTIFICATE_REQUEST] = "CertificateRequest",
	[SSL3_MT_SERVER_DONE] = "ServerHelloDone",
	[SSL3_MT_CERTIFICATE_VERIFY] = "CertificateVerify",
	[SSL3_MT_CLIENT_KEY_EXCHANGE] = "ClientKeyExchange",
	[SSL3_MT_FINISHED] = "Finished",
	[SSL3_MT_CERTIFICATE_STATUS] = "CertificateStatus",
};

/* Its name and the length that its own header says (RFC 6347 section 4.2.2). */
static void describe_message(struct text *text, const uint8_t *message, size_t length)
{
	size_t names = sizeof(message_names) / sizeof(message_names[0]);

	if (length < COAX_HANDSHAKE_HEADER)
		return;
	if (message[0] < names && message_names[message[0]])
		text_string(text, message_names[message[0]]);
	else
		text_format(text, "message of type %u", message[0]);
	text_format(text, ", %u bytes",
		    (unsigned int)message[1] << 16 | (unsigned int)message[2] << 8 | message[3]);
}

static void describe_alert(struct text *text, const uint8_t *alert, size_t length)
{
	const char *name;

	if (length < 2)
		return;
	name = coax_dtls_alert_name(alert[1]);
	text_format(text, "alert, %s: ", alert[0] == SSL3_AL_FATAL ? "fatal" : "warning");
	if (name)
		text_string(text, name);
	else
		text_format(text, "%u", alert[1]);
}

void coax_dtls_trace(const struct coax_dtls *dtls, const struct coax_path *path, bool sent,
		     int type, const uint8_t *data, size_t length)
{
	char remote[COAX_ADDRESS_TEXT_MAX], what[64] = "";
	struct text text = {.at = what, .size = sizeof(what) - 1};

	if (!coax_log_wants(dtls->logger, COAX_LOG_DEBUG))
		return;
	switch (type) {
	case COAX_RECORD_HANDSHAKE:
		describe_message(&text, data, length);
		break;
	case COAX_RECORD_ALERT:
		describe_alert(&text, data, length);
		break;
	case COAX_RECORD_CHANGE_CIPHER_SPEC:
		text_string(&text, "ChangeCipherSpec, 1 byte");
		break;
	}
	if (text.length)
		coax_log(dtls->logger, COAX_LOG_DEBUG, "%s %s: DTLS %s", sent ? "to" : "from",
			 coax_address_format(&path->remote, remote), what);
}

static void see_message(int sent, int version, int type, const void *data, size_t length, SSL *ssl,
			void *arg)
{
	const struct coax_dtls_session *session = arg;

	(void)version;
	(void)ssl;
	/* OpenSSL shows the headers of all records besides. */
	if (type != SSL3_RT_HEADER)
		coax_dtls_trace(session->dtls, &session->path, sent, type, data, length);
}

void coax_dtls_trace_session(struct coax_dtls_session *session)
{
	if (!coax_log_wants(session->dtls->logger, COAX_LOG_DEBUG))
		return;
	SSL_set_msg_callback(session->ssl, see_message);
	SSL_set_msg_callback_arg(session->ssl, session);
}

/* By the names that access rules have for them. */
static void describe_peer(struct text *text, const struct coax_dtls_session *session)
{
	const struct coax_claims *claims = session->claims;
	const char *peer = session->client ? "server" : "client";
	uint8_t hash[crypto_hash_sha256_BYTES];

	switch (claims->kind) {
	case COAX_CLAIMS_PSK:
		text_format(text, "the %s %s psk:", peer,
			    session->client ? "has the key of" : "is");
		text_escaped(text, claims->identity, claims->identity_length);
		break;
	case COAX_CLAIMS_CERTIFICATE:
		text_format(text, "the %s is subject:", peer);
		text_string(text, claims->subject);
		break;
	case COAX_CLAIMS_PUBLIC_KEY:
		crypto_hash_sha256(hash, claims->public_key, claims->public_key_length);
		text_format(text, "the %s is key:", peer);
		for (size_t i = 0; i < sizeof(hash); i++)
			text_format(text, "%02x", hash[i]);
		break;
	default:
		text_format(text, "the %s is anonymous", peer);
	}
}

void coax_dtls_trace_established(const struct coax_dtls_session *session)
{
	const struct coax_logger *logger = session->dtls->logger;
	char remote[COAX_ADDRESS_TEXT_MAX], peer[PEER_TEXT_MAX] = "";
	struct text text = {.at = peer, .size = sizeof(peer) - 1};

	if (!coax_log_wants(logger, COAX_LOG_DEBUG))
		return;
	describe_peer(&text, session);
	coax_log(logger, COAX_LOG_DEBUG, "Secure session with %s: DTLS 1.2, %s%s, %s",
		 coax_address_format(&session->path.remote, remote),
		 SSL_get_cipher_name(session->ssl),
		 SSL_session_reused(session->ssl) ? ", resumed" : "", peer);
}
