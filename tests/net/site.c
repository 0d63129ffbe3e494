// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a Site promises and a Context has to do its part for, over real sockets: queues, parameters,
 * freshness.
 */
#include <coax/coax.h>
#include "../client.h"
#include "../context.h"
#include "../harness.h"

static struct coax_site *site;
static struct coax_context *context;
static struct coax_queue *queue;
static int fd;

static void start(void)
{
	ASSERT_EQ(coax_queue_create(&queue), 0);
	ASSERT_EQ(coax_site_create(&site), 0);
	context = context_open((struct coax_context_options){.site = site, .workers = 1});
	fd = client_open("127.0.0.1", coax_context_port(context));
	ASSERT_GE(fd, 0);
}

static void stop(void)
{
	close(fd);
	coax_context_shutdown(context);
	coax_site_destroy(site);
	coax_queue_destroy(queue);
}

static void send_put(const char *path, const struct coax_option *echo)
{
	static uint16_t id;
	uint8_t buffer[128];
	struct coax_message m;

	ASSERT_EQ(coax_message_start(&m, buffer, sizeof(buffer), COAX_TYPE_NON, COAX_PUT, ++id, "t",
				     1),
		  0);
	ASSERT_EQ(coax_uri_path_add_options(path, &m), 0);
	if (echo)
		ASSERT_EQ(coax_message_add(&m, COAX_ECHO, echo->value, echo->length), 0);
	ASSERT_EQ(send(fd, m.data, m.length, 0), (ssize_t)m.length);
}

/* The next response, valid until the next call. */
static struct coax_message receive(void)
{
	static uint8_t bytes[2048];
	ssize_t length = client_receive(fd, bytes, sizeof(bytes));
	struct coax_message m;

	ASSERT_GT(length, 0);
	ASSERT_EQ(coax_message_parse(&m, bytes, (size_t)length), 0);
	return m;
}

static uint8_t receive_code(void)
{
	struct coax_message m = receive();

	return coax_message_code(&m);
}

/* Answers with what stands for {name}. */
static void give_back(struct coax_responder *responder, void *arg)
{
	size_t length;
	const uint8_t *name = coax_responder_parameter(responder, "name", &length);

	(void)arg;
	ASSERT_TRUE(name);
	ASSERT_EQ(coax_responder_set_payload(responder, name, length), 0);
	coax_respond(responder, COAX_CHANGED);
}

static struct coax_resource *add(struct coax_resource_options options)
{
	struct coax_resource *resource;

	options.put = give_back;
	ASSERT_EQ(coax_site_add(site, &options, &resource), 0);
	return resource;
}

TEST("a handler in a queue is given its parameter, and answers from the application's thread")
{
	struct coax_message m;
	size_t length;

	start();
	add((struct coax_resource_options){.path = "a/{name}", .queue = queue});
	send_put("a/seven", NULL);
	EXPECT_EQ(coax_queue_process(queue, true), 1);
	m = receive();
	EXPECT_EQ(coax_message_code(&m), COAX_CHANGED);
	EXPECT_MEMEQ(coax_message_payload(&m, &length), "seven", 5);
	EXPECT_EQ(length, (size_t)5);
	stop();
}

TEST("who waits in a queue for a resource that is removed gets 4.04")
{
	struct coax_resource *resource;
	struct pollfd readable;

	start();
	resource = add((struct coax_resource_options){.path = "a/{name}", .queue = queue});
	send_put("a/1", NULL);
	readable = (struct pollfd){.fd = coax_queue_fd(queue), .events = POLLIN};
	ASSERT_EQ(poll(&readable, 1, CLIENT_PATIENCE_MS), 1);
	coax_site_remove(site, resource);
	EXPECT_EQ(receive_code(), COAX_NOT_FOUND);
	EXPECT_EQ(coax_queue_process(queue, false), 0);
	stop();
}

TEST("a client that gives the Echo of a 4.01 back is taken to be fresh")
{
	struct coax_option echo;
	struct coax_message m;

	start();
	add((struct coax_resource_options){.path = "a/{name}", .fresh_ms = 60000});
	send_put("a/1", NULL);
	m = receive();
	EXPECT_EQ(coax_message_code(&m), COAX_UNAUTHORIZED);
	ASSERT_TRUE(coax_message_find(&m, COAX_ECHO, &echo));
	send_put("a/1", &echo);
	EXPECT_EQ(receive_code(), COAX_CHANGED);
	stop();
}

TEST_MAIN()
