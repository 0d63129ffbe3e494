/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A keeper in a lab, and what its maps say when looked at from outside.
 */
#ifndef COAX_TEST_KEEPER_H
#define COAX_TEST_KEEPER_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include <xdp/libxdp.h>
#include <coax/message.h>
#include "accel/accel.h"
#include "lab.h"

#define KEEPER_DIRECTORY COAX_PIN_ROOT "/" COAX_INSTANCE_DEFAULT
#define KEEPER_SLOTS	 64

static char keeper_lines[65536]; /* what was logged from INFO on */

static inline void keeper_note(void *arg, enum coax_log_level level, const char *name,
			       const char *line)
{
	size_t used = strlen(keeper_lines);

	(void)arg;
	(void)name;
	if (level >= COAX_LOG_INFO)
		snprintf(keeper_lines + used, sizeof(keeper_lines) - used, "%s: %s\n",
			 coax_log_level_name(level), line);
	if (getenv("VERBOSE"))
		HARNESS_SAY("%s: %s", coax_log_level_name(level), line);
}

static const struct coax_logger keeper_logger = {.write = keeper_note, .from = COAX_LOG_DEBUG};

static inline bool keeper_said(const char *words)
{
	if (strstr(keeper_lines, words))
		return true;
	HARNESS_SAY("nobody said \"%s\" but: %s", words, keeper_lines);
	return false;
}

static inline struct coax_accel_options keeper_options(void)
{
	static const char *const interfaces[] = {LAB_SERVER};

	return (struct coax_accel_options){
		.interfaces = interfaces, .interface_count = 1, .slots = KEEPER_SLOTS};
}

static inline union coax_address keeper_address(const char *text)
{
	union coax_address address;

	ASSERT_EQ(coax_address_parse(&address, text, 5683), 0);
	return address;
}

static inline struct coax_accel *keeper_open(void)
{
	struct coax_accel_options options = keeper_options();
	struct coax_accel *accel = NULL;

	ASSERT_EQ(coax_accel_open(&accel, &options, &keeper_logger), 0);
	return accel;
}

/* Serving all addresses. */
static inline struct coax_accel *keeper_begin(void)
{
	struct coax_accel *accel = keeper_open();
	union coax_address v4 = keeper_address("0.0.0.0");
	union coax_address v6 = keeper_address("[::]");

	ASSERT_EQ(coax_accel_add_endpoint(accel, &v4), 0);
	ASSERT_EQ(coax_accel_add_endpoint(accel, &v6), 0);
	ASSERT_EQ(coax_accel_attach(accel), 0);
	return accel;
}

/* The id of what is attached, 0: nothing. */
static inline uint32_t keeper_attached(const char *interface)
{
	uint32_t id = 0;

	ASSERT_EQ(bpf_xdp_query_id((int)if_nametoindex(interface), 0, &id), 0);
	return id;
}

static inline int keeper_map(const char *name)
{
	int fd = coax_accel_open_map(NULL, name);

	ASSERT_GE(fd, 0);
	return fd;
}

/* Our program on an interface, be it attached alone or in libxdp's dispatcher. */
static inline void keeper_describe_program(const char *interface, struct bpf_prog_info *info)
{
	struct xdp_multiprog *attached =
		xdp_multiprog__get_from_ifindex((int)if_nametoindex(interface));
	uint32_t size = sizeof(*info);
	struct xdp_program *program;

	ASSERT_EQ(libxdp_get_error(attached), 0);
	program = xdp_multiprog__is_legacy(attached) ? xdp_multiprog__main_prog(attached)
						     : xdp_multiprog__next_prog(NULL, attached);
	ASSERT_TRUE(program);
	ASSERT_EQ(bpf_obj_get_info_by_fd(xdp_program__fd(program), info, &size), 0);
	xdp_multiprog__close(attached);
	ASSERT_STREQ(info->name, COAX_PROGRAM_NAME);
}

/* A section of its variables. */
static inline int keeper_section(const char *interface, const char *suffix)
{
	uint32_t ids[32] = {0};
	struct bpf_prog_info program = {.map_ids = (uintptr_t)ids, .nr_map_ids = 32};

	keeper_describe_program(interface, &program);
	for (uint32_t i = 0; i < program.nr_map_ids; i++) {
		struct bpf_map_info map = {0};
		uint32_t size = sizeof(map);
		int fd = bpf_map_get_fd_by_id(ids[i]);

		ASSERT_EQ(bpf_obj_get_info_by_fd(fd, &map, &size), 0);
		if (strstr(map.name, suffix))
			return fd;
		close(fd);
	}
	HARNESS_SAY("the program has no section %s", suffix);
	HARNESS_STOP();
}

static inline struct coax_config keeper_config(void)
{
	struct coax_config config;
	const uint32_t only = 0;
	int fd = keeper_map("config");

	ASSERT_EQ(bpf_map_lookup_elem(fd, &only, &config), 0);
	close(fd);
	return config;
}

/* Of the program, over all CPUs. */
static inline struct coax_stats keeper_counters(void)
{
	struct coax_stats stats;
	int fd = keeper_map("stats");

	ASSERT_EQ(coax_accel_read_stats(fd, &stats), 0);
	close(fd);
	return stats;
}

/* For what another thread does, or the network. */
#define WAIT_UNTIL(condition)                                                                  \
	do {                                                                                   \
		int wait_left = 5000;                                                          \
		while (!(condition) && wait_left--)                                            \
			usleep(1000);                                                          \
		if (!(condition)) {                                                            \
			HARNESS_SAY("%s:%d: not in time: %s", __FILE__, __LINE__, #condition); \
			HARNESS_STOP();                                                        \
		}                                                                              \
	} while (0)

static inline struct coax_slot keeper_slot(uint32_t number)
{
	struct coax_slot slot;
	int fd = keeper_map("slots");

	ASSERT_EQ(bpf_map_lookup_elem(fd, &number, &slot), 0);
	close(fd);
	return slot;
}

static inline unsigned int keeper_entries(const char *map)
{
	char key[sizeof(struct coax_index_key)];
	int fd = keeper_map(map);
	unsigned int count = 0;

	for (bool more = bpf_map_get_next_key(fd, NULL, key) == 0; more; count++)
		more = bpf_map_get_next_key(fd, key, key) == 0;
	close(fd);
	return count;
}

/* Whether the program looks at what is sent there. */
static inline bool is_endpoint(const char *address, uint16_t port)
{
	struct coax_endpoint_key key = {
		.port_be = htons(port), .address[10] = 0xff, .address[11] = 0xff};
	struct coax_endpoint_value value;
	int fd = keeper_map("endpoints");
	int err;

	if (inet_pton(AF_INET, address, key.address + 12) != 1)
		ASSERT_EQ(inet_pton(AF_INET6, address, key.address), 1);
	err = bpf_map_lookup_elem(fd, &key, &value);
	close(fd);
	if (!err)
		ASSERT_TRUE(strstr(value.text, address));
	return !err;
}

/* A GET of a path and the reply to it, as a Context has them. */
struct keeper_exchange {
	uint8_t request_bytes[128];
	uint8_t response_bytes[COAX_MESSAGE_MAX];
	struct coax_message request;
	struct coax_message response;
};

static inline void keeper_make(struct keeper_exchange *exchange, const char *path,
			       const char *payload)
{
	ASSERT_EQ(coax_message_start(&exchange->request, exchange->request_bytes,
				     sizeof(exchange->request_bytes), COAX_TYPE_CON, COAX_GET, 7,
				     "tok", 3),
		  0);
	ASSERT_EQ(coax_message_add_string(&exchange->request, 11, path), 0);
	ASSERT_EQ(coax_message_start(&exchange->response, exchange->response_bytes,
				     sizeof(exchange->response_bytes), COAX_TYPE_ACK, COAX_CONTENT,
				     7, "tok", 3),
		  0);
	ASSERT_EQ(coax_message_set_payload(&exchange->response, payload, strlen(payload)), 0);
}

static inline bool keeper_publish(struct coax_accel *accel, struct coax_subject *subject,
				  const char *path, const char *payload)
{
	struct keeper_exchange exchange;

	keeper_make(&exchange, path, payload);
	return coax_accel_publish(accel, subject, coax_subject_generation(subject),
				  &exchange.request, &exchange.response);
}

/* The slot that a GET of `path` leads to, -1: none. */
static inline int keeper_find(const char *path, struct coax_index_value *value)
{
	struct keeper_exchange exchange;
	struct coax_index_key key = {.code = COAX_GET};
	struct coax_index_value ignored;
	const uint8_t *rest;
	size_t length;
	int fd = keeper_map("index");
	int err;

	keeper_make(&exchange, path, "");
	rest = coax_message_rest(&exchange.request, &length);
	ASSERT_LE(length, sizeof(key.request));
	key.length = (uint16_t)length;
	memcpy(key.request, rest, length);
	value = value ? value : &ignored;
	err = bpf_map_lookup_elem(fd, &key, value);
	close(fd);
	return err ? -1 : (int)value->slot;
}

/* Whether the kernel would answer a GET of `path`, as far as the maps tell. */
static inline bool keeper_is_published(const char *path)
{
	int number = keeper_find(path, NULL);

	return number >= 0 && keeper_slot((uint32_t)number).deadline == COAX_NEVER;
}

#endif
