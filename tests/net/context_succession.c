// SPDX-License-Identifier: BSD-2-Clause
/*
 * One Context takes another's place: sockets, what waits in them, and requests on the way.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>
#include <coax/coax.h>
#include "../harness.h"

#define SOCKETS_MAX 64
#define PEERS	    32

static struct coax_responder *deferred;
static atomic_int runs;
static sem_t busy, released;

static void get(struct coax_responder *responder, void *arg)
{
	atomic_fetch_add(&runs, 1);
	coax_responder_set_payload(responder, arg, strlen(arg));
	coax_respond(responder, COAX_CONTENT);
}

static void get_later(struct coax_responder *responder, void *arg)
{
	(void)arg;
	__atomic_store_n(&deferred, coax_responder_defer(responder), __ATOMIC_RELEASE);
}

/* Keeps its worker from all else. */
static void get_slowly(struct coax_responder *responder, void *arg)
{
	(void)arg;
	sem_post(&busy);
	sem_wait(&released);
	coax_respond(responder, COAX_CONTENT);
}

static struct coax_site *make_site(const char *name)
{
	struct coax_site *site;
	struct coax_resource_options options = {.path = "name", .get = get, .arg = (void *)name};

	ASSERT_EQ(coax_site_create(&site), 0);
	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	options = (struct coax_resource_options){.path = "later", .get = get_later};
	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	options = (struct coax_resource_options){.path = "slow", .get = get_slowly};
	ASSERT_EQ(coax_site_add(site, &options, NULL), 0);
	return site;
}

static int create(struct coax_context **context, struct coax_site *site, const char *bind,
		  unsigned int workers, const struct coax_succession *succession)
{
	struct coax_context_options options = {
		.site = site,
		.bind = &bind,
		.bind_count = 1,
		.workers = workers,
		.logger = {.from = COAX_LOG_ERROR + 1},
		.succession = succession,
	};

	return coax_context_create(context, &options);
}

/* PEERS sockets, each of another port, so that all workers get some. */
struct peers {
	int fds[PEERS];
};

static void open_peers(struct peers *peers, in_port_t port)
{
	union coax_address server;

	ASSERT_EQ(coax_address_parse(&server, "127.0.0.1", port), 0);
	for (int i = 0; i < PEERS; i++) {
		peers->fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		ASSERT_GE(peers->fds[i], 0);
		ASSERT_EQ(connect(peers->fds[i], &server.sa, sizeof(server.in)), 0);
	}
}

static void close_peers(struct peers *peers)
{
	for (int i = 0; i < PEERS; i++)
		close(peers->fds[i]);
}

static void ask(int fd, uint16_t id, const char *path)
{
	uint8_t bytes[64];
	struct coax_message request;
	size_t length;

	ASSERT_EQ(coax_message_start(&request, bytes, sizeof(bytes), COAX_TYPE_CON, COAX_GET, id,
				     NULL, 0),
		  0);
	ASSERT_EQ(coax_message_add_string(&request, COAX_URI_PATH, path), 0);
	length = COAX_HEADER_SIZE + 1 + strlen(path);
	ASSERT_EQ(send(fd, bytes, length, 0), (ssize_t)length);
}

/* Who answers, within a time that no repetition would come in. */
static void expect_from(int fd, const char *name)
{
	struct timeval limit = {.tv_sec = 5};
	uint8_t bytes[128];
	struct coax_message response;
	const uint8_t *payload;
	ssize_t length;
	size_t size;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	length = recv(fd, bytes, sizeof(bytes), 0);
	ASSERT_GT(length, 0);
	ASSERT_EQ(coax_message_parse(&response, bytes, (size_t)length), 0);
	payload = coax_message_payload(&response, &size);
	ASSERT_EQ(size, strlen(name));
	EXPECT_TRUE(!size || !memcmp(payload, name, size));
}

static void ask_all(struct peers *peers, uint16_t id)
{
	for (int i = 0; i < PEERS; i++)
		ask(peers->fds[i], id, "name");
}

static void expect_all_from(struct peers *peers, const char *name)
{
	for (int i = 0; i < PEERS; i++)
		expect_from(peers->fds[i], name);
}

struct former {
	struct coax_context *context;
	struct peers *peers;
	int result;
};

/* The new one is ready; what comes now waits, until it begins. */
static int let_in(void *arg)
{
	struct former *former = arg;
	int err = coax_context_pause(former->context, 5000);

	if (!err && former->peers)
		ask_all(former->peers, 2);
	return err ? err : former->result;
}

static void take_sockets(struct coax_succession *succession, struct former *former)
{
	static int sockets[SOCKETS_MAX];

	*succession = (struct coax_succession){.ready = let_in, .arg = former, .sockets = sockets};
	succession->socket_count = coax_context_sockets(former->context, sockets, SOCKETS_MAX);
	ASSERT_LE(succession->socket_count, (size_t)SOCKETS_MAX);
}

static void succeed(unsigned int before, unsigned int after)
{
	struct coax_site *first = make_site("first"), *second = make_site("second");
	struct coax_succession succession;
	struct coax_context *next;
	struct former former = {0};
	struct peers peers;
	char bind[32];

	ASSERT_EQ(create(&former.context, first, "127.0.0.1:0", before, NULL), 0);
	snprintf(bind, sizeof(bind), "127.0.0.1:%u", coax_context_port(former.context));
	open_peers(&peers, coax_context_port(former.context));
	ask_all(&peers, 1);
	expect_all_from(&peers, "first");

	former.peers = &peers;
	take_sockets(&succession, &former);
	EXPECT_EQ(succession.socket_count, before);
	ASSERT_EQ(create(&next, second, bind, after, &succession), 0);
	expect_all_from(&peers, "second");
	coax_context_hand_over(former.context);
	coax_context_shutdown(former.context);
	ask_all(&peers, 3);
	expect_all_from(&peers, "second");

	coax_context_shutdown(next);
	close_peers(&peers);
	coax_site_destroy(first);
	coax_site_destroy(second);
}

TEST("what arrives while one Context takes another's place is answered, by the new one")
{
	succeed(3, 3);
}

TEST("so it is with more workers than before")
{
	succeed(1, 4);
}

TEST("so it is with fewer")
{
	succeed(4, 1);
	succeed(5, 2);
}

TEST("a Context that is not let in changes nothing: the former one goes on")
{
	struct coax_site *first = make_site("first"), *second = make_site("second");
	struct coax_succession succession;
	struct coax_context *next = NULL;
	struct former former = {.result = -ECANCELED};
	struct peers peers;
	char bind[32];

	ASSERT_EQ(create(&former.context, first, "127.0.0.1:0", 2, NULL), 0);
	snprintf(bind, sizeof(bind), "127.0.0.1:%u", coax_context_port(former.context));
	open_peers(&peers, coax_context_port(former.context));
	former.peers = &peers;
	take_sockets(&succession, &former);
	EXPECT_EQ(create(&next, second, bind, 4, &succession), -ECANCELED);
	coax_context_resume(former.context, 0);
	expect_all_from(&peers, "first");
	coax_context_shutdown(former.context);
	close_peers(&peers);
	coax_site_destroy(first);
	coax_site_destroy(second);
}

TEST("pausing waits for requests that are being handled, for so long as it may")
{
	struct coax_site *site = make_site("only");
	struct coax_context *context;
	struct peers peers;

	ASSERT_EQ(create(&context, site, "127.0.0.1:0", 2, NULL), 0);
	open_peers(&peers, coax_context_port(context));
	ask(peers.fds[0], 7, "later");
	while (!__atomic_load_n(&deferred, __ATOMIC_ACQUIRE))
		usleep(1000);
	EXPECT_EQ(coax_context_pause(context, 20), -ETIMEDOUT);
	ask(peers.fds[1], 8, "name");
	coax_respond(deferred, COAX_CONTENT);
	EXPECT_EQ(coax_context_pause(context, 5000), 0);
	expect_from(peers.fds[0], "");
	EXPECT_EQ(atomic_load(&runs), 0);
	coax_context_resume(context, 0);
	expect_from(peers.fds[1], "only");
	coax_context_shutdown(context);
	close_peers(&peers);
	coax_site_destroy(site);
}

TEST("pausing and resuming wait for no worker that a handler keeps")
{
	struct coax_site *site = make_site("only");
	struct coax_context *context;
	struct peers peers;

	sem_init(&busy, 0, 0);
	sem_init(&released, 0, 0);
	ASSERT_EQ(create(&context, site, "127.0.0.1:0", 1, NULL), 0);
	open_peers(&peers, coax_context_port(context));
	ask(peers.fds[0], 7, "slow");
	sem_wait(&busy);
	EXPECT_EQ(coax_context_pause(context, 20), -ETIMEDOUT);
	coax_context_resume(context, 0);
	EXPECT_EQ(coax_context_pause(context, 20), -ETIMEDOUT);
	sem_post(&released);
	expect_from(peers.fds[0], "");
	EXPECT_EQ(coax_context_pause(context, 5000), 0);
	ask(peers.fds[1], 8, "name");
	EXPECT_EQ(atomic_load(&runs), 0);
	coax_context_resume(context, 0);
	expect_from(peers.fds[1], "only");
	coax_context_shutdown(context);
	close_peers(&peers);
	coax_site_destroy(site);
}

TEST("without a kernel half there is nothing to attach, to flush or to lock")
{
	struct coax_site *site = make_site("only");
	struct coax_context *context;

	ASSERT_EQ(create(&context, site, "127.0.0.1:0", 1, NULL), 0);
	EXPECT_EQ(coax_context_attach(context, "lo"), -EOPNOTSUPP);
	EXPECT_EQ(coax_context_detach(context, "lo"), -EOPNOTSUPP);
	EXPECT_EQ(coax_context_flush(context, NULL), 0U);
	EXPECT_EQ(coax_context_lock(context), 0);
	coax_context_shutdown(context);
	coax_site_destroy(site);
}

TEST_MAIN()
