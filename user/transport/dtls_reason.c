// SPDX-License-Identifier: BSD-2-Clause
/*
 * Why a handshake failed, and which side refused; or why a session ended: OpenSSL's alerts and
 * errors in words.
 */
#include <errno.h>
#include <stdio.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include "dtls_internal.h"

/* RFC 5246 section 7.2.2, RFC 4279 section 2, RFC 6066 section 9 */
static const struct {
	int alert;
	const char *name;
	const char *meaning; /* behind "the server ...", of the one that sent it */
} alerts[] = {
	{SSL_AD_CLOSE_NOTIFY, "close_notify", "has closed the session"},
	{SSL_AD_UNEXPECTED_MESSAGE, "unexpected_message", "did not expect a message of ours"},
	{SSL_AD_BAD_RECORD_MAC, "bad_record_mac",
	 "could not read what we sent: the keys may differ"},
	{SSL_AD_RECORD_OVERFLOW, "record_overflow", "found a record too long"},
	{SSL_AD_HANDSHAKE_FAILURE, "handshake_failure",
	 "found no cipher in common, or misses credentials"},
	{SSL_AD_BAD_CERTIFICATE, "bad_certificate", "found the certificate to be bad"},
	{SSL_AD_UNSUPPORTED_CERTIFICATE, "unsupported_certificate",
	 "does not support such a certificate"},
	{SSL_AD_CERTIFICATE_REVOKED, "certificate_revoked",
	 "knows that the certificate is revoked"},
	{SSL_AD_CERTIFICATE_EXPIRED, "certificate_expired", "found the certificate expired"},
	{SSL_AD_CERTIFICATE_UNKNOWN, "certificate_unknown", "did not accept the certificate"},
	{SSL_AD_ILLEGAL_PARAMETER, "illegal_parameter", "found a parameter that is not allowed"},
	{SSL_AD_UNKNOWN_CA, "unknown_ca",
	 "does not trust the authority that signed the certificate"},
	{SSL_AD_ACCESS_DENIED, "access_denied", "denies access"},
	{SSL_AD_DECODE_ERROR, "decode_error", "could not decode a message"},
	{SSL_AD_DECRYPT_ERROR, "decrypt_error", "found that the keys differ"},
	{SSL_AD_PROTOCOL_VERSION, "protocol_version", "does not speak this version of DTLS"},
	{SSL_AD_INSUFFICIENT_SECURITY, "insufficient_security", "demands stronger ciphers"},
	{SSL_AD_INTERNAL_ERROR, "internal_error", "had an error of its own"},
	{SSL_AD_USER_CANCELLED, "user_canceled", "has given up the handshake"},
	{SSL_AD_NO_RENEGOTIATION, "no_renegotiation", "does not renegotiate"},
	{SSL_AD_UNSUPPORTED_EXTENSION, "unsupported_extension", "did not ask for an extension"},
	{SSL_AD_UNRECOGNIZED_NAME, "unrecognized_name", "is nobody of this name"},
	{SSL_AD_UNKNOWN_PSK_IDENTITY, "unknown_psk_identity", "does not know the identity"},
};

const char *coax_dtls_alert_name(int alert)
{
	for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++) {
		if (alerts[i].alert == alert)
			return alerts[i].name;
	}
	return NULL;
}

static const char *alert_name(int alert)
{
	const char *name = coax_dtls_alert_name(alert);

	return name ? name : "none";
}

/* Servers have several alerts for it: TLS 1.2 has none of its own. */
static bool wants_certificate(const struct coax_dtls_session *session)
{
	return session->client && session->credential->kind == COAX_CREDENTIAL_CERTIFICATES &&
	       !session->credential->certificates.chain &&
	       (session->alert_in == SSL_AD_HANDSHAKE_FAILURE ||
		session->alert_in == SSL_AD_BAD_CERTIFICATE) &&
	       SSL_get0_certificate_types(session->ssl, NULL) > 0;
}

/* Alerts know certificates alone (RFC 7250 section 4.2). */
static bool refuses_key(const struct coax_dtls_session *session)
{
	return coax_dtls_is_keyed(session) &&
	       (session->alert_in == SSL_AD_BAD_CERTIFICATE ||
		session->alert_in == SSL_AD_UNSUPPORTED_CERTIFICATE ||
		session->alert_in == SSL_AD_CERTIFICATE_UNKNOWN ||
		session->alert_in == SSL_AD_UNKNOWN_CA);
}

static void by_peer(const struct coax_dtls_session *session, char reason[COAX_REASON_MAX])
{
	const char *peer = session->client ? "server" : "client";

	if (wants_certificate(session)) {
		snprintf(reason, COAX_REASON_MAX,
			 "the server demands a certificate, and we have none (alert: %s)",
			 alert_name(session->alert_in));
		return;
	}
	if (refuses_key(session)) {
		snprintf(reason, COAX_REASON_MAX,
			 "the %s does not accept our public key (alert: %s)", peer,
			 alert_name(session->alert_in));
		return;
	}
	for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++) {
		if (alerts[i].alert == session->alert_in) {
			snprintf(reason, COAX_REASON_MAX, "the %s %s (alert: %s)", peer,
				 alerts[i].meaning, alerts[i].name);
			return;
		}
	}
	snprintf(reason, COAX_REASON_MAX, "the %s refused (alert %d)", peer, session->alert_in);
}

/* What OpenSSL found first says more than what came of it. */
static void by_us(const struct coax_dtls_session *session, char reason[COAX_REASON_MAX])
{
	const char *peer = session->client ? "server" : "client";
	const char *alert = alert_name(session->alert_out);
	unsigned long error = ERR_peek_error();
	const char *words = ERR_reason_error_string(error);
	long verified = SSL_get_verify_result(session->ssl);

	if (session->handshake->unknown_identity) {
		snprintf(reason, COAX_REASON_MAX,
			 "we do not know the client's identity (alert: %s)", alert);
		return;
	}
	if (session->handshake && session->handshake->wants_public_key) {
		snprintf(reason, COAX_REASON_MAX,
			 "the client wants a raw public key, and we have none (alert: %s)", alert);
		return;
	}
	switch (ERR_GET_REASON(error)) {
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
		if (coax_dtls_is_keyed(session)) {
			snprintf(reason, COAX_REASON_MAX,
				 coax_dtls_public_keys_shown(session)
					 ? "the %s's public key is not one that we know (alert: %s)"
					 : "the %s has a certificate, and we know it by a raw "
					   "public key (alert: %s)",
				 peer, alert);
			return;
		}
		snprintf(reason, COAX_REASON_MAX,
			 "we do not accept the %s's certificate: %s (alert: %s)", peer,
			 X509_verify_cert_error_string(verified), alert);
		return;
	case SSL_R_NO_SHARED_CIPHER:
		snprintf(reason, COAX_REASON_MAX,
			 "we have no cipher in common with the client, or no credentials for one "
			 "(alert: %s)",
			 alert);
		return;
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		snprintf(reason, COAX_REASON_MAX,
			 "the client has no certificate, which we demand (alert: %s)", alert);
		return;
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_VERSION_TOO_LOW:
		snprintf(reason, COAX_REASON_MAX, "the %s does not speak DTLS 1.2 (alert: %s)",
			 peer, alert);
		return;
	default:
		snprintf(reason, COAX_REASON_MAX, "we cannot go on with the %s: %s (alert: %s)",
			 peer, words ? words : "an error", alert);
	}
}

/* What the alerts say of handshakes would be wrong of what was established. */
static int of_established(const struct coax_dtls_session *session, char reason[COAX_REASON_MAX])
{
	bool by_them = session->alert_in >= 0;
	int alert = by_them ? session->alert_in : session->alert_out;
	const char *name = coax_dtls_alert_name(alert);
	const char *words = ERR_reason_error_string(ERR_peek_error());
	char number[16];

	snprintf(number, sizeof(number), "%d", alert);
	if (!name)
		name = alert < 0 ? "none" : number;
	if (by_them)
		snprintf(reason, COAX_REASON_MAX, "the %s has ended the session (alert: %s)",
			 session->client ? "server" : "client", name);
	else
		snprintf(reason, COAX_REASON_MAX,
			 "we cannot go on with the session: %s (alert: %s)",
			 words ? words : "an error", name);
	return by_them ? -ECONNRESET : -EPROTO;
}

int coax_dtls_reason(const struct coax_dtls_session *session, char reason[COAX_REASON_MAX])
{
	if (!session->handshake)
		return of_established(session, reason);
	if (session->alert_in >= 0) {
		by_peer(session, reason);
		return -ECONNREFUSED;
	}
	by_us(session, reason);
	return session->alert_out >= 0 ? -EACCES : -EPROTO;
}
