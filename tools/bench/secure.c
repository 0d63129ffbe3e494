// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who waits for something is looked at in turn, again and again, as in watch.c: to wake up who
 * sleeps is work for the sender, and would be charged to the server. What they all have to say
 * leaves together: a client's part of a handshake takes longer than the server's, which would wait
 * for each datagram, and be charged for going to sleep.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <openssl/err.h>
#include "secure.h"

/* A handshake that takes longer has failed. */
#define HANDSHAKE_MAX (10 * BENCH_NSEC)
/* While the network says that nobody listens. */
#define NOBODY_PATIENCE (BENCH_NSEC / 2)
/* How often timers are looked at. */
#define TICK (BENCH_NSEC / 20)
/* After so long without anything new, sleep a little between two looks. */
#define SILENCE (BENCH_NSEC / 500)
/* So many datagrams leave together at most. */
#define OUT_MAX 256

struct exchange {
	uint64_t due; /* when it counts as lost; 0: free */
	uint32_t token;
};

struct datagram {
	int fd;
	size_t length;
	uint8_t data[CLIENT_DATAGRAM_MAX];
};

struct session {
	struct secure *secure;
	int fd;
	SSL *ssl; /* NULL: there is none */
	bool established;
	uint64_t begun;
	uint16_t next_id;
	unsigned int in_flight;
	struct exchange exchanges[SECURE_WINDOW_MAX];
};

struct secure {
	struct secure_options options;
	struct secure_counts counts;
	struct session *sessions;
	SSL_CTX *context;
	BIO_METHOD *wire;
	SSL_SESSION *resumable;
	uint64_t random;
	uint64_t active_at; /* when anything last came */
	uint64_t next_tick;
	unsigned int out_count;
	struct datagram out[OUT_MAX];
	int former[SECURE_FORMER_MAX]; /* sockets; -1: none */
	unsigned int oldest;
	struct coax_message request;
	uint8_t request_buffer[COAX_MESSAGE_MAX];
	uint8_t input[CLIENT_DATAGRAM_MAX]; /* the datagram that OpenSSL reads next */
	size_t input_length;
};

static int wire_read(BIO *bio, char *out, int size)
{
	struct secure *secure = ((struct session *)BIO_get_data(bio))->secure;
	size_t length = secure->input_length;

	BIO_clear_retry_flags(bio);
	if (!length || size <= 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	if (length > (size_t)size)
		length = (size_t)size;
	memcpy(out, secure->input, length);
	secure->input_length = 0;
	return (int)length;
}

static void flush(struct secure *secure)
{
	for (unsigned int i = 0; i < secure->out_count; i++) {
		const struct datagram *datagram = &secure->out[i];

		/* Not sent is as good as lost. */
		if (send(datagram->fd, datagram->data, datagram->length, 0) < 0 &&
		    errno == ECONNREFUSED)
			secure->counts.refused++;
	}
	secure->out_count = 0;
}

static int wire_write(BIO *bio, const char *data, int length)
{
	struct session *session = BIO_get_data(bio);
	struct secure *secure = session->secure;
	struct datagram *datagram;

	BIO_clear_retry_flags(bio);
	if (length <= 0 || (size_t)length > sizeof(datagram->data))
		return -1;
	if (secure->out_count == OUT_MAX)
		flush(secure);
	datagram = &secure->out[secure->out_count++];
	datagram->fd = session->fd;
	datagram->length = (size_t)length;
	memcpy(datagram->data, data, datagram->length);
	return length;
}

static long wire_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *make_wire(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams");

	if (method) {
		BIO_meth_set_read(method, wire_read);
		BIO_meth_set_write(method, wire_write);
		BIO_meth_set_ctrl(method, wire_ctrl);
	}
	return method;
}

/* Take the next datagram in. Returns whether there was one. */
static bool fetch(struct session *session)
{
	struct secure *secure = session->secure;
	ssize_t length = recv(session->fd, secure->input, sizeof(secure->input), MSG_DONTWAIT);

	if (length < 0 && errno == ECONNREFUSED)
		secure->counts.refused++;
	if (length <= 0)
		return false;
	secure->input_length = (size_t)length;
	secure->active_at = bench_now();
	return true;
}

/* The server may still say something to it, which is not to be refused. */
static void leave_port(struct secure *secure, int fd)
{
	int *place = &secure->former[secure->oldest++ % SECURE_FORMER_MAX];

	if (*place >= 0)
		close(*place);
	*place = fd;
}

/* What is to be resumed does not become worse by its end. */
static void drop(struct session *session)
{
	if (session->ssl) {
		SSL_set_shutdown(session->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		SSL_free(session->ssl);
	}
	leave_port(session->secure, session->fd);
	session->ssl = NULL;
	session->fd = -1;
	session->established = false;
	session->in_flight = 0;
	memset(session->exchanges, 0, sizeof(session->exchanges));
}

static void fail(struct session *session)
{
	struct secure_counts *counts = &session->secure->counts;
	unsigned long error = ERR_peek_error();

	counts->failed++;
	if (error)
		ERR_error_string_n(error, counts->reason, sizeof(counts->reason));
	drop(session);
}

static void note_established(struct session *session)
{
	struct secure *secure = session->secure;

	session->established = true;
	secure->counts.handshakes++;
	if (SSL_session_reused(session->ssl))
		secure->counts.resumed++;
	if (secure->options.resume && !secure->resumable)
		secure->resumable = SSL_get1_session(session->ssl);
}

static void advance(struct session *session)
{
	int result;

	ERR_clear_error();
	result = SSL_do_handshake(session->ssl);
	if (result == 1)
		note_established(session);
	else if (SSL_get_error(session->ssl, result) != SSL_ERROR_WANT_READ)
		fail(session);
}

static bool attach(struct session *session)
{
	struct secure *secure = session->secure;
	BIO *wire;

	session->fd = client_connect(&secure->options.destination);
	session->ssl = session->fd < 0 ? NULL : SSL_new(secure->context);
	wire = session->ssl ? BIO_new(secure->wire) : NULL;
	if (!wire)
		return false;
	BIO_set_data(wire, session);
	BIO_set_init(wire, 1);
	SSL_set_bio(session->ssl, wire, wire);
	SSL_set_mtu(session->ssl, SECURE_MTU);
	SSL_set_connect_state(session->ssl);
	return !secure->resumable || SSL_set_session(session->ssl, secure->resumable);
}

static void begin(struct session *session, uint64_t now)
{
	session->begun = now;
	session->next_id = (uint16_t)client_random(&session->secure->random);
	if (attach(session))
		advance(session);
	else
		fail(session);
}

/* Go on with a handshake, by all that has come. */
static void progress(struct session *session)
{
	while (session->ssl && !session->established && fetch(session))
		advance(session);
}

static void tick_handshake(struct session *session, uint64_t now)
{
	if (!session->ssl || session->established)
		return;
	ERR_clear_error();
	if (now - session->begun >= HANDSHAKE_MAX)
		fail(session);
	else if (DTLSv1_handle_timeout(session->ssl) > 0)
		session->secure->counts.repeated++;
}

static bool is_time_for_timers(struct secure *secure, uint64_t now)
{
	if (now - secure->active_at > SILENCE)
		bench_sleep_ms(1);
	if (now < secure->next_tick)
		return false;
	secure->next_tick = now + TICK;
	return true;
}

static void close_session(struct session *session)
{
	ERR_clear_error();
	SSL_shutdown(session->ssl);
	drop(session);
}

void secure_shake(struct secure *secure, uint64_t end, uint64_t count)
{
	uint64_t before = secure->counts.handshakes, now = bench_now();
	unsigned int shaking;

	while (now < end && !bench_stopped && secure->counts.handshakes - before < count) {
		bool tick = is_time_for_timers(secure, now);

		/* The others wait for what there is to resume. */
		if (secure->options.resume && !secure->resumable)
			shaking = 1;
		else
			shaking = secure->options.shaking;
		for (unsigned int i = 0; i < shaking; i++) {
			struct session *session = &secure->sessions[i];

			if (!session->ssl)
				begin(session, now);
			progress(session);
			if (tick)
				tick_handshake(session, now);
			if (session->established)
				close_session(session);
		}
		flush(secure);
		now = bench_now();
	}
}

/* Where nobody listens there is nothing to wait for. */
static bool is_refused(const struct secure *secure, uint64_t began, uint64_t now)
{
	return secure->counts.refused && !secure->counts.handshakes &&
	       now - began > NOBODY_PATIENCE;
}

bool secure_establish(struct secure *secure, uint64_t end)
{
	unsigned int count = secure->options.sessions, established = 0, first = 0;
	const uint64_t began = bench_now();
	uint64_t now = began;

	while (established < count && now < end && !bench_stopped &&
	       !is_refused(secure, began, now)) {
		bool tick = is_time_for_timers(secure, now);
		unsigned int shaking = 0;

		for (unsigned int i = first; i < count && shaking < secure->options.shaking; i++) {
			struct session *session = &secure->sessions[i];

			if (session->established) {
				first += i == first;
				continue;
			}
			shaking++;
			if (!session->ssl)
				begin(session, now);
			progress(session);
			if (tick)
				tick_handshake(session, now);
			established += session->established;
		}
		flush(secure);
		now = bench_now();
	}
	return established == count;
}

static void send_request(struct session *session, uint64_t now)
{
	struct exchange *exchange = session->exchanges;
	struct secure *secure = session->secure;
	struct coax_message *m = &secure->request;

	while (exchange->due)
		exchange++;
	exchange->due = now + CLIENT_TIMEOUT;
	exchange->token = client_random(&secure->random);
	coax_message_set_id(m, session->next_id++);
	memcpy(m->data + COAX_HEADER_SIZE, &exchange->token, sizeof(exchange->token));
	session->in_flight++;
	secure->counts.sent++;
	SSL_write(session->ssl, m->data, (int)m->length);
}

static void end_exchange(struct session *session, struct exchange *exchange)
{
	exchange->due = 0;
	session->in_flight--;
}

static struct exchange *find_exchange(struct session *session, const struct coax_message *m)
{
	uint32_t token;

	if (coax_message_token_length(m) != sizeof(token))
		return NULL;
	memcpy(&token, coax_message_token(m), sizeof(token));
	for (unsigned int i = 0; i < session->secure->options.window; i++)
		if (session->exchanges[i].due && session->exchanges[i].token == token)
			return &session->exchanges[i];
	return NULL;
}

static void take_reply(struct session *session, uint8_t *data, size_t length)
{
	struct coax_message m = {.data = data, .length = (uint32_t)length};
	struct secure_counts *counts = &session->secure->counts;
	struct exchange *exchange = NULL;

	if (length >= COAX_HEADER_SIZE &&
	    length >= COAX_HEADER_SIZE + (size_t)coax_message_token_length(&m))
		exchange = find_exchange(session, &m);
	if (!exchange) {
		counts->extra++;
		return;
	}
	if (COAX_CODE_CLASS(coax_message_code(&m)) == 2)
		counts->replies++;
	else
		counts->errors++;
	end_exchange(session, exchange);
}

static void take_replies(struct session *session)
{
	uint8_t data[CLIENT_DATAGRAM_MAX];
	int length;

	while (session->established && fetch(session)) {
		ERR_clear_error();
		while ((length = SSL_read(session->ssl, data, sizeof(data))) > 0)
			take_reply(session, data, (size_t)length);
		if (SSL_get_error(session->ssl, length) == SSL_ERROR_WANT_READ)
			continue;
		session->secure->counts.ended++;
		session->secure->counts.lost += session->in_flight;
		drop(session);
	}
}

static void expire(struct session *session, uint64_t now)
{
	for (unsigned int i = 0; i < session->secure->options.window; i++) {
		if (!session->exchanges[i].due || now < session->exchanges[i].due)
			continue;
		session->secure->counts.lost++;
		end_exchange(session, &session->exchanges[i]);
	}
}

void secure_request(struct secure *secure, uint64_t end, uint64_t count)
{
	uint64_t now = bench_now(), waiting = 1;

	ERR_clear_error();
	while (now < end && !bench_stopped && (count || waiting)) {
		bool tick = is_time_for_timers(secure, now);

		waiting = 0;
		for (unsigned int i = 0; i < secure->options.sessions; i++) {
			struct session *session = &secure->sessions[i];

			if (!session->established)
				continue;
			for (; count && session->in_flight < secure->options.window; count--)
				send_request(session, now);
			take_replies(session);
			if (tick)
				expire(session, now);
			waiting += session->in_flight;
		}
		flush(secure);
		now = bench_now();
	}
}

void secure_reset(struct secure *secure)
{
	memset(&secure->counts, 0, sizeof(secure->counts));
}

const struct secure_counts *secure_counts(const struct secure *secure)
{
	return &secure->counts;
}

int secure_open(struct secure **result, const struct secure_options *options)
{
	struct secure *secure = calloc(1, sizeof(*secure));
	int error;

	if (!secure)
		return -ENOMEM;
	secure->options = *options;
	memset(secure->former, -1, sizeof(secure->former));
	secure->random = client_seed();
	secure->wire = make_wire();
	secure->context = secure_context(&secure->options, false);
	secure->sessions = calloc(options->sessions, sizeof(*secure->sessions));
	for (unsigned int i = 0; secure->sessions && i < options->sessions; i++) {
		secure->sessions[i].secure = secure;
		secure->sessions[i].fd = -1;
	}
	if (!secure->wire || !secure->context || !secure->sessions) {
		secure_close(secure);
		return -EINVAL;
	}
	error = bench_request_build(&options->request, &secure->request, secure->request_buffer,
				    sizeof(secure->request_buffer));
	if (error) {
		secure_close(secure);
		return error;
	}
	*result = secure;
	return 0;
}

void secure_close(struct secure *secure)
{
	for (unsigned int i = 0; secure->sessions && i < secure->options.sessions; i++) {
		if (secure->sessions[i].established)
			close_session(&secure->sessions[i]);
		else
			drop(&secure->sessions[i]);
	}
	flush(secure);
	for (unsigned int i = 0; i < SECURE_FORMER_MAX; i++)
		leave_port(secure, -1);
	free(secure->sessions);
	SSL_SESSION_free(secure->resumable);
	SSL_CTX_free(secure->context);
	BIO_meth_free(secure->wire);
	free(secure);
}
