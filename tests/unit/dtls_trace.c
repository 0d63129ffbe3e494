// SPDX-License-Identifier: BSD-2-Clause
/* What is told of handshakes to people who look on, and what never is. */
#include "dtls_pki.h"

#define KEY "planted-7b1f5e9d"

static char told[16384];

static void take_line(void *arg, enum coax_log_level level, const char *name, const char *line)
{
	size_t length = strlen(told);

	(void)arg;
	(void)name;
	if (level == COAX_LOG_DEBUG)
		snprintf(told + length, sizeof(told) - length, "%s\n", line);
}

static void look_on(enum coax_log_level from)
{
	world.logger.write = take_line;
	world.logger.from = from;
}

static uint64_t shake(const struct coax_credential *credential)
{
	uint64_t session;

	told[0] = '\0';
	ASSERT_EQ(begin_as(CLIENT, credential, NULL, &session), 0);
	pump();
	return session;
}

static const struct coax_credential *open_psk(const char *identity)
{
	struct coax_credentials *set = with_key(identity, KEY);

	end_open(SERVER, NULL, serving_key("sensor one", KEY));
	end_open(CLIENT, set, NULL);
	return coax_credentials_at(set, 0);
}

/* The lines that have `address` in them, without it and what is before it; lengths are "#". */
static const char *lines_of(const char *address)
{
	static char lines[sizeof(told)];
	char *out = lines;

	for (const char *line = told, *end; *line; line = end + 1) {
		const char *at = strstr(line, address);

		end = strchr(line, '\n');
		if (!at || at > end)
			continue;
		*out++ = line[0] == 't' ? '>' : line[0] == 'f' ? '<' : '=';
		for (at += strlen(address) + strlen(": "); at <= end; at++) {
			const char *length = at;

			while (*length >= '0' && *length <= '9')
				length++;
			if (length > at && strncmp(length, " bytes\n", 7) == 0) {
				*out++ = '#';
				at = length;
			}
			*out++ = *at;
		}
	}
	*out = '\0';
	return lines;
}

#define SERVER_LINES "192.0.2.2:40001"
#define CLIENT_LINES "192.0.2.1:5684"

TEST("a handshake is told message by message on both sides, and what came of it")
{
	look_on(COAX_LOG_DEBUG);
	shake(open_psk("sensor one"));
	EXPECT_STREQ(lines_of(CLIENT_LINES),
		     ">DTLS ClientHello, # bytes\n"
		     "<DTLS HelloVerifyRequest, # bytes\n"
		     ">DTLS ClientHello, # bytes\n"
		     "<DTLS ServerHello, # bytes\n"
		     "<DTLS ServerHelloDone, # bytes\n"
		     ">DTLS ClientKeyExchange, # bytes\n"
		     ">DTLS ChangeCipherSpec, 1 byte\n"
		     ">DTLS Finished, # bytes\n"
		     "<DTLS NewSessionTicket, # bytes\n"
		     "<DTLS ChangeCipherSpec, 1 byte\n"
		     "<DTLS Finished, # bytes\n"
		     "=DTLS 1.2, PSK-AES128-CCM8, the server has the key of psk:sensor\\x20one\n");
	EXPECT_STREQ(lines_of(SERVER_LINES),
		     "<DTLS ClientHello, # bytes\n"
		     ">DTLS HelloVerifyRequest, # bytes\n"
		     "<DTLS ClientHello, # bytes\n"
		     ">DTLS ServerHello, # bytes\n"
		     ">DTLS ServerHelloDone, # bytes\n"
		     "<DTLS ClientKeyExchange, # bytes\n"
		     "<DTLS ChangeCipherSpec, 1 byte\n"
		     "<DTLS Finished, # bytes\n"
		     ">DTLS NewSessionTicket, # bytes\n"
		     ">DTLS ChangeCipherSpec, 1 byte\n"
		     ">DTLS Finished, # bytes\n"
		     "=DTLS 1.2, PSK-AES128-CCM8, the client is psk:sensor\\x20one\n");
	EXPECT_TRUE(strstr(told, "to 192.0.2.2:40001: DTLS HelloVerifyRequest, 12 bytes\n") !=
		    NULL);
	EXPECT_TRUE(strstr(told, "from 192.0.2.1:5684: DTLS HelloVerifyRequest, 12 bytes\n") !=
		    NULL);
	world_close();
}

TEST("a session that is resumed is told to be")
{
	const struct coax_credential *credential;

	look_on(COAX_LOG_DEBUG);
	credential = open_psk("sensor one");
	coax_dtls_close(world.ends[CLIENT].dtls, world.now, shake(credential));
	EXPECT_TRUE(strstr(told, "to 192.0.2.1:5684: DTLS alert, warning: close_notify\n") != NULL);
	pump();
	shake(credential);
	EXPECT_STREQ(lines_of(CLIENT_LINES),
		     ">DTLS ClientHello, # bytes\n"
		     "<DTLS HelloVerifyRequest, # bytes\n"
		     ">DTLS ClientHello, # bytes\n"
		     "<DTLS ServerHello, # bytes\n"
		     "<DTLS ChangeCipherSpec, 1 byte\n"
		     "<DTLS Finished, # bytes\n"
		     ">DTLS ChangeCipherSpec, 1 byte\n"
		     ">DTLS Finished, # bytes\n"
		     "=DTLS 1.2, PSK-AES128-CCM8, resumed, the server has the key of "
		     "psk:sensor\\x20one\n");
	world_close();
}

TEST("an alert is told on both sides, also one that OpenSSL has no part in")
{
	look_on(COAX_LOG_DEBUG);
	shake(open_psk("stranger"));
	EXPECT_TRUE(strstr(told, "to 192.0.2.2:40001: DTLS alert, fatal: unknown_psk_identity\n") !=
		    NULL);
	EXPECT_TRUE(
		strstr(told, "from 192.0.2.1:5684: DTLS alert, fatal: unknown_psk_identity\n") !=
		NULL);
	end_close(CLIENT);
	memset(&world.ends[CLIENT], 0, sizeof(world.ends[CLIENT]));
	struct coax_credentials *guessed = with_key("sensor one", "guessed");

	end_open(CLIENT, guessed, NULL);
	shake(coax_credentials_at(guessed, 0));
	EXPECT_TRUE(strstr(told, "to 192.0.2.2:40001: DTLS alert, fatal: decrypt_error\n") != NULL);
	EXPECT_TRUE(strstr(told, "from 192.0.2.1:5684: DTLS alert, fatal: decrypt_error\n") !=
		    NULL);
	world_close();
}

TEST("who has shown a certificate is told by its subject, who has not as anonymous")
{
	const struct wish root = {.authority = true};
	struct identity authority, server_id;
	struct coax_credentials *serving = new_set(), *set = new_set();
	struct coax_credential *entry;

	world.now = START;
	authority = issue("Authority", &root);
	const struct wish server = {.name = "IP:192.0.2.1", .signer = &authority};

	server_id = issue("Server", &server);
	accept_entry(serving, add_certificates(serving, ":server", &server_id, NULL));
	entry = add_certificates(set, "*", NULL, &authority);
	look_on(COAX_LOG_DEBUG);
	end_open(SERVER, NULL, serving);
	end_open(CLIENT, set, NULL);
	shake(entry);
	EXPECT_TRUE(strstr(told, "from 192.0.2.1:5684: DTLS Certificate, ") != NULL);
	EXPECT_TRUE(strstr(told, ", the server is subject:CN=Server,O=coax\n") != NULL);
	EXPECT_TRUE(strstr(told, ", the client is anonymous\n") != NULL);
	world_close();
	forget(&authority);
	forget(&server_id);
}

/* As text, and in hex of either case. */
static void expect_untold(const char *secret)
{
	char hex[128] = "", upper[128] = "";

	for (size_t i = 0; i < strlen(secret); i++) {
		sprintf(hex + 2 * i, "%02x", (unsigned char)secret[i]);
		sprintf(upper + 2 * i, "%02X", (unsigned char)secret[i]);
	}
	EXPECT_TRUE(strstr(told, secret) == NULL);
	EXPECT_TRUE(strstr(told, hex) == NULL);
	EXPECT_TRUE(strstr(told, upper) == NULL);
}

TEST("keys, and what is said in a session, are told to nobody")
{
	uint64_t session;

	look_on(COAX_LOG_DEBUG);
	session = shake(open_psk("sensor one"));
	ASSERT_EQ(say(CLIENT, session, "the door's code is 4711"), 0);
	pump();
	ASSERT_TRUE(heard(SERVER, "the door's code is 4711"));
	EXPECT_TRUE(strstr(told, "Finished") != NULL);
	expect_untold(KEY);
	expect_untold("the door's code is 4711");
	world_close();
}

TEST("nothing of it is told to those who do not want to know so much")
{
	const struct coax_credential *credential;

	look_on(COAX_LOG_INFO);
	credential = open_psk("sensor one");
	shake(credential);
	EXPECT_STREQ(told, "");
	world_close();
}

TEST_MAIN()
