// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <urcu/hlist.h>
#include <coax/option.h>
#include <coax/uri.h>
#include "accel/guard.h"
#include "clock.h"
#include "resolver.h"
#include "secure.h"
#include "transport/dtls.h"

/* Requests and observations that wait for handshakes, in one worker. */
#define WAITERS_MAX 4096
/* Of sessions that requests of ours asked for. A power of two. */
#define CHAINS	   1024
#define REASON_MAX 192
#define URI_MAX	   (3 * COAX_DATAGRAM_OUT_MAX + 256)

/* A session that requests of ours go by, or any one that has ended and is not settled yet. */
struct session {
	struct cds_hlist_node by_name; /* while `listed` */
	struct cds_list_head changed;  /* while there is something to settle */
	struct cds_list_head waiters;
	struct coax_path path;
	uint64_t heard; /* when something came in it last, ns */
	uint64_t asked; /* when the first request since then was made that got no answer */
	bool listed;
	bool asked_for; /* by requests of ours */
	bool established;
	bool ended;
	int result;
	char reason[REASON_MAX];
};

struct coax_secure {
	struct coax_worker *worker;
	struct coax_dtls *dtls;
	bool stopped;
	uint32_t count; /* of those that are listed */
	struct cds_hlist_head sessions[CHAINS];
	struct cds_list_head changed;
	uint32_t waiting;
	struct coax_timers patience;
	const struct session *ending; /* while what was under way in it ends */
};

/*
 * Sessions.
 */

static struct cds_hlist_head *chain_of(struct coax_secure *secure, const struct coax_path *path)
{
	return &secure->sessions[(coax_path_session_hash(path) >> 32) & (CHAINS - 1)];
}

static struct session *find(struct coax_secure *secure, const struct coax_path *path)
{
	struct cds_hlist_node *node = secure->count ? chain_of(secure, path)->next : NULL;

	for (; node; node = node->next) {
		struct session *session = caa_container_of(node, struct session, by_name);

		if (session->path.session == path->session)
			return session;
	}
	return NULL;
}

static struct session *create(const struct coax_path *path)
{
	struct session *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	session->path = *path;
	CDS_INIT_LIST_HEAD(&session->changed);
	CDS_INIT_LIST_HEAD(&session->waiters);
	return session;
}

static void list(struct coax_secure *secure, struct session *session)
{
	session->listed = true;
	session->asked_for = true;
	session->heard = secure->worker->now;
	cds_hlist_add_head(&session->by_name, chain_of(secure, &session->path));
	secure->count++;
}

static void unlist(struct coax_secure *secure, struct session *session)
{
	if (!session->listed)
		return;
	session->listed = false;
	cds_hlist_del(&session->by_name);
	secure->count--;
}

static void note_change(struct coax_secure *secure, struct session *session)
{
	if (cds_list_empty(&session->changed))
		cds_list_add_tail(&session->changed, &secure->changed);
}

static void note_end(struct coax_secure *secure, struct session *session, int result,
		     const char *reason)
{
	unlist(secure, session);
	session->ended = true;
	session->result = result;
	strncpy(session->reason, reason ? reason : "", sizeof(session->reason) - 1);
	note_change(secure, session);
}

/*
 * What sessions tell.
 */

static void send_record(void *arg, const struct coax_path *path, const uint8_t *data, size_t length)
{
	struct coax_secure *secure = arg;

	coax_worker_send(secure->worker, path, data, length);
}

/* Whoever meets records at our address before us lets none through of those who have no session. */
static bool kernel_meets(const struct coax_worker *worker, const struct coax_path *path)
{
	return worker->context->accel && coax_is_serving_socket(worker, path->socket);
}

static void begun(void *arg, const struct coax_path *path)
{
	const struct coax_worker *worker = ((struct coax_secure *)arg)->worker;

	if (kernel_meets(worker, path))
		coax_accel_session_add(worker->context->accel, &path->remote);
}

static void established(void *arg, const struct coax_path *path, const struct coax_claims *claims)
{
	struct coax_secure *secure = arg;
	struct coax_guard *guard = secure->worker->context->guard;
	struct session *session = find(secure, path);

	(void)claims;
	/* The handshake has gone there and back. */
	if (guard)
		coax_guard_verify(guard, &path->remote, secure->worker->now);
	if (!session)
		return;
	session->established = true;
	session->heard = secure->worker->now;
	note_change(secure, session);
}

/* Without memory, its observers are lost as soon as they are sent something. */
static void ended(void *arg, const struct coax_path *path, int result, const char *reason)
{
	struct coax_secure *secure = arg;
	struct session *session = find(secure, path);

	if (kernel_meets(secure->worker, path))
		coax_accel_session_remove(secure->worker->context->accel, &path->remote);
	if (!session && !secure->stopped)
		session = create(path);
	if (session)
		note_end(secure, session, result, reason);
}

static const struct coax_dtls_ops dtls_ops = {
	.send = send_record,
	.begun = begun,
	.established = established,
	.ended = ended,
};

/*
 * Waiting.
 */

void coax_secure_leave(struct coax_secure_waiter *waiter)
{
	if (!waiter->waits)
		return;
	waiter->waits = false;
	cds_list_del(&waiter->node);
	coax_timer_stop(&waiter->secure->patience, &waiter->patience);
	waiter->secure->waiting--;
}

static void tell(struct coax_secure_waiter *waiter, int result, const char *reason)
{
	coax_secure_leave(waiter);
	waiter->ready(waiter, result, reason);
}

static const char *reason_of(const struct session *session)
{
	return session->reason[0] ? session->reason : NULL;
}

/* Who is told may ask for a session again, but not for this one. */
static void tell_all(struct session *session, int result)
{
	while (!cds_list_empty(&session->waiters))
		tell(cds_list_first_entry(&session->waiters, struct coax_secure_waiter, node),
		     result, reason_of(session));
}

static void out_of_patience(struct coax_exchange *exchange, struct coax_timer *timer)
{
	struct coax_secure_waiter *waiter =
		caa_container_of(timer, struct coax_secure_waiter, patience);

	(void)exchange;
	tell(waiter, -ETIMEDOUT, coax_dtls_silence(waiter->secure->dtls, waiter->session));
}

static void wait_for(struct coax_secure *secure, struct session *session, uint64_t deadline,
		     struct coax_secure_waiter *waiter)
{
	waiter->secure = secure;
	waiter->session = session->path.session;
	waiter->waits = true;
	waiter->patience = (struct coax_timer){.fire = out_of_patience};
	secure->waiting++;
	cds_list_add_tail(&waiter->node, &session->waiters);
	if (deadline)
		coax_timer_start(&secure->patience, &waiter->patience, deadline);
}

/*
 * Settling.
 */

/*
 * A session that was closed in good order still leaves requests without their responses. In those
 * of others there are no observations of ours to look for.
 */
static void settle_end(struct coax_secure *secure, struct session *session)
{
	struct coax_exchange *exchange = secure->worker->exchange;

	if (!session->result)
		session->result = -ECONNRESET;
	secure->ending = session;
	tell_all(session, session->result);
	if (session->asked_for)
		coax_exchange_session_ended(exchange, &session->path, -session->result);
	else
		coax_exchange_network_error(exchange, &session->path, -session->result);
	secure->ending = NULL;
	free(session);
}

void coax_secure_settle(struct coax_worker *worker)
{
	struct coax_secure *secure = worker->secure;

	while (secure && !cds_list_empty(&secure->changed)) {
		struct session *session =
			cds_list_first_entry(&secure->changed, struct session, changed);

		cds_list_del_init(&session->changed);
		if (session->ended)
			settle_end(secure, session);
		else
			tell_all(session, 0);
	}
}

uint64_t coax_secure_deadline(const struct coax_worker *worker)
{
	const struct coax_secure *secure = worker->secure;
	const struct coax_timer *first;
	uint64_t deadline;

	if (!secure)
		return UINT64_MAX;
	if (secure->changed.next != &secure->changed)
		return 0;
	deadline = coax_dtls_deadline(secure->dtls);
	first = coax_timers_first(&secure->patience);
	return first && first->due < deadline ? first->due : deadline;
}

void coax_secure_tick(struct coax_worker *worker)
{
	struct coax_secure *secure = worker->secure;
	struct coax_timer *timer;

	if (!secure)
		return;
	if (atomic_exchange(&worker->reloaded, false) ||
	    worker->now >= coax_dtls_deadline(secure->dtls))
		coax_dtls_tick(secure->dtls, worker->now);
	while ((timer = coax_timers_first(&secure->patience)) && timer->due <= worker->now)
		timer->fire(worker->exchange, timer);
}

/*
 * Records.
 */

static void hear(struct coax_secure *secure, const struct coax_datagram *message)
{
	struct session *session = find(secure, &message->path);

	if (session)
		session->heard = secure->worker->now;
}

void coax_secure_receive(struct coax_worker *worker, const struct coax_datagram *batch,
			 unsigned int count)
{
	struct coax_secure *secure = worker->secure;
	struct coax_datagram *messages;
	unsigned int taken, portion;

	taken = coax_dtls_receive(secure->dtls, worker->now, batch, count, &messages);
	for (unsigned int i = 0; i < taken && secure->count; i++)
		hear(secure, &messages[i]);
	for (unsigned int at = 0; at < taken; at += portion) {
		portion = taken - at < COAX_BATCH ? taken - at : COAX_BATCH;
		coax_exchange_receive_batch(worker->exchange, worker->now, messages + at, portion);
	}
}

void coax_secure_send(struct coax_worker *worker, const struct coax_path *path, const uint8_t *data,
		      size_t length)
{
	int err = coax_dtls_send(worker->secure->dtls, worker->now, path, data, length);

	if (err == -ENOTCONN)
		coax_worker_note_refused(worker, path, ENOTCONN);
	else if (err)
		coax_count(&worker->stats, datagrams_dropped);
}

void coax_secure_network_error(struct coax_worker *worker, const struct coax_path *path, int error)
{
	coax_dtls_network_error(worker->secure->dtls, worker->now, path, error);
}

/*
 * Requests of ours.
 */

/* A name that it is asked by; an IP literal is none (RFC 6066 section 3). NULL: none. */
static const char *name_of(const struct coax_message *message, char name[256])
{
	struct coax_option host;

	union coax_address literal;

	if (!coax_message_find(message, COAX_URI_HOST, &host) || !host.length ||
	    host.length > 255 || memchr(host.value, '\0', host.length))
		return NULL;
	memcpy(name, host.value, host.length);
	name[host.length] = '\0';
	return coax_literal_address(name, 0, &literal) == -ENOENT ? name : NULL;
}

static const struct coax_credential *find_credential(const struct coax_context *context,
						     const struct coax_path *path,
						     const struct coax_message *message)
{
	const union coax_address *remote = &path->remote;
	char host[INET6_ADDRSTRLEN], uri[URI_MAX];

	if (remote->sa.sa_family == AF_INET6)
		inet_ntop(AF_INET6, &remote->in6.sin6_addr, host, sizeof(host));
	else
		inet_ntop(AF_INET, &remote->in.sin_addr, host, sizeof(host));
	if (coax_uri_compose(message, true, host, coax_address_port(remote), uri, sizeof(uri)) < 0)
		return NULL;
	return coax_credentials_for_uri(context->client_credentials, uri);
}

static int connect_to(struct coax_secure *secure, struct coax_path *path,
		      const struct coax_message *message, const char **reason)
{
	struct coax_context *context = secure->worker->context;
	const struct coax_credential *credential = NULL;
	char name[256];
	int err;

	pthread_mutex_lock(&context->credentials_lock);
	if (context->client_credentials)
		credential = find_credential(context, path, message);
	err = credential ? coax_dtls_connect(secure->dtls, secure->worker->now, path, credential,
					     name_of(message, name))
			 : -ENOKEY;
	pthread_mutex_unlock(&context->credentials_lock);
	if (err)
		*reason =
			credential ? "no session can be begun" : "there are no credentials for it";
	return err;
}

int coax_secure_begin(struct coax_worker *worker, struct coax_path *path,
		      const struct coax_message *message, uint64_t deadline,
		      struct coax_secure_waiter *waiter, const char **reason)
{
	struct coax_secure *secure = worker->secure;
	struct session *session;
	int err;

	*reason = NULL;
	if (secure->stopped)
		return -ESHUTDOWN;
	err = connect_to(secure, path, message, reason);
	if (err)
		return err;
	session = find(secure, path);
	if (!session) {
		session = create(path);
		if (!session) {
			coax_dtls_close(secure->dtls, worker->now, path->session);
			return -ENOMEM;
		}
		list(secure, session);
	}
	if (session->established)
		return 0;
	if (secure->waiting == WAITERS_MAX)
		return -ENOBUFS;
	wait_for(secure, session, deadline, waiter);
	return 1;
}

void coax_secure_unanswered(struct coax_worker *worker, const struct coax_path *path,
			    uint64_t since)
{
	struct coax_secure *secure = worker->secure;
	struct session *session = path->session ? find(secure, path) : NULL;
	const struct coax_tuning *tuning = &worker->context->tuning;
	uint64_t patience = tuning->ack_timeout_ms * NS_PER_MS / 100 * tuning->ack_random_percent;

	if (!session || session->heard > since)
		return;
	if (session->asked < session->heard)
		session->asked = since;
	if (worker->now - session->asked < patience)
		return;
	coax_dtls_close(secure->dtls, worker->now, path->session);
	note_end(secure, session, -ETIMEDOUT, "the peer does not answer any more");
}

const char *coax_secure_reason(const struct coax_worker *worker, const struct coax_path *path)
{
	const struct session *ending = worker->secure ? worker->secure->ending : NULL;

	return ending && ending->path.session == path->session ? reason_of(ending) : NULL;
}

const struct coax_claims *coax_secure_claims(const struct coax_worker *worker,
					     const struct coax_path *path)
{
	return path->session ? coax_dtls_claims(worker->secure->dtls, path->session) : NULL;
}

/*
 * Beginning and end.
 */

int coax_secure_create(struct coax_worker *worker)
{
	struct coax_secure *secure = calloc(1, sizeof(*secure));
	const struct coax_dtls_options options = {
		.shared = worker->context->dtls,
		.ops = &dtls_ops,
		.arg = secure,
		.logger = &worker->context->logger,
		.stats = &worker->stats,
	};
	int err;

	if (!secure)
		return -ENOMEM;
	worker->secure = secure;
	secure->worker = worker;
	CDS_INIT_LIST_HEAD(&secure->changed);
	err = coax_timers_create(&secure->patience, WAITERS_MAX);
	return err ? err : coax_dtls_create(&secure->dtls, &options);
}

void coax_secure_stop(struct coax_worker *worker)
{
	struct coax_secure *secure = worker->secure;

	if (!secure)
		return;
	coax_secure_settle(worker);
	secure->stopped = true;
	for (int i = 0; i < CHAINS; i++) {
		struct cds_hlist_node *node;

		while ((node = secure->sessions[i].next)) {
			struct session *session = caa_container_of(node, struct session, by_name);

			unlist(secure, session);
			tell_all(session, -ESHUTDOWN);
			free(session);
		}
	}
}

void coax_secure_destroy(struct coax_secure *secure)
{
	if (!secure)
		return;
	if (secure->dtls)
		coax_dtls_destroy(secure->dtls);
	coax_timers_destroy(&secure->patience);
	free(secure);
}
