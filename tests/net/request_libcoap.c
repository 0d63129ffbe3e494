// SPDX-License-Identifier: BSD-2-Clause
/*
 * Bodies in blocks to and from libcoap's server (Debian's libcoap3-bin), at each block size.
 */
#include <fcntl.h>
#include <sys/prctl.h>
#include "../requester.h"

#define PROGRAM "/usr/bin/coap-server-notls"

static union coax_address server_address(in_port_t port)
{
	union coax_address address = {.in = {.sin_family = AF_INET, .sin_port = htons(port)}};

	address.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static in_port_t unused_port(void)
{
	struct peer peer;

	peer_open(&peer);
	close(peer.fd);
	return coax_address_port(&peer.address);
}

static void run_server(in_port_t port)
{
	int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
	char text[8];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(nowhere, STDOUT_FILENO);
	dup2(nowhere, STDERR_FILENO);
	snprintf(text, sizeof(text), "%u", port);
	execl(PROGRAM, PROGRAM, "-A", "127.0.0.1", "-p", text, "-d", "100", (char *)NULL);
	_exit(127);
}

/* Pings until it answers. */
static union coax_address start_server(struct coax_context *context)
{
	const struct coax_request_options options = {.timeout_ms = 100};
	in_port_t port = unused_port();
	union coax_address address = server_address(port);
	uint8_t out[16], in[16];
	struct coax_message ping = request_message(out, sizeof(out), COAX_EMPTY, NULL), response;

	if (access(PROGRAM, X_OK))
		SKIP("no coap-server-notls (libcoap3-bin)");
	if (fork() == 0)
		run_server(port);
	for (int i = 0; i < 500; i++) {
		if (!coax_request_wait(context, &address, &ping, &options, in, sizeof(in),
				       &response))
			return address;
		usleep(10000);
	}
	HARNESS_SAY("coap-server does not answer");
	HARNESS_STOP();
}

static int ask(struct coax_context *context, const union coax_address *remote, uint8_t code,
	       const char *path, uint32_t block_size, size_t length, uint8_t *in, size_t size,
	       struct coax_message *response)
{
	const struct coax_body body = {.length = length, .data = numbered_bytes()};
	const struct coax_request_options options = {.block_size = block_size,
						     .body = length ? &body : NULL};
	uint8_t out[64];
	struct coax_message message = request_message(out, sizeof(out), code, path);
	int result = coax_request_wait(context, remote, &message, &options, in, size, response);

	return result ? result : coax_message_code(response);
}

TEST("libcoap's server takes and gives bodies at each block size")
{
	struct coax_context *context = requester_start(1);
	union coax_address remote = start_server(context);
	static uint8_t in[1 << 17];
	struct coax_message response;
	size_t length;
	int result;

	for (uint32_t size = 16; size <= 1024; size *= 2) {
		const size_t wanted = 5000 + size;
		char path[16];

		snprintf(path, sizeof(path), "store%u", size);
		result = ask(context, &remote, COAX_PUT, path, size, wanted, in, sizeof(in),
			     &response);
		EXPECT_TRUE(result == COAX_CREATED || result == COAX_CHANGED);
		result = ask(context, &remote, COAX_GET, path, size, 0, in, sizeof(in), &response);
		ASSERT_EQ(result, COAX_CONTENT);
		ASSERT_TRUE(coax_message_payload(&response, &length));
		ASSERT_EQ(length, wanted);
		EXPECT_MEMEQ(coax_message_payload(&response, &length), numbered_bytes(), wanted);
	}
	coax_context_shutdown(context);
}

TEST("libcoap's separate response comes when it is ready")
{
	struct coax_context *context = requester_start(1);
	union coax_address remote = start_server(context);
	static uint8_t in[2048];
	struct coax_message response, message;
	uint8_t out[64];

	message = request_message(out, sizeof(out), COAX_GET, "async");
	coax_message_add_string(&message, COAX_URI_QUERY, "1");
	EXPECT_EQ(coax_request_wait(context, &remote, &message, NULL, in, sizeof(in), &response),
		  0);
	EXPECT_EQ(coax_message_code(&response), COAX_CONTENT);
	coax_context_shutdown(context);
}

TEST_MAIN()
