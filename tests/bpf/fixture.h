/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The XDP program, loaded with maps of its own and attached to nothing. Frames go through it by
 * BPF_PROG_TEST_RUN.
 *
 *	struct kernel kernel;
 *
 *	kernel_open(&kernel);			(ends the test as skipped without privileges)
 *	kernel_add_endpoint(&kernel, &flow);
 *	kernel_publish(&kernel, 0, request, length, COAX_CONTENT, reply, length);
 *	kernel_run(&kernel, &frame, &verdict);
 *	EXPECT_OUTCOME(&kernel, &frame, pass_unknown);
 */
#ifndef COAX_TEST_FIXTURE_H
#define COAX_TEST_FIXTURE_H

#include <endian.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/types.h>
#include <coax/maps.h>
#include <coax/wire.h>
#include "bpf/coax.skel.h"
#include "../harness.h"
#include "frame.h"

#define KERNEL_SERVICE	 7
#define KERNEL_SLOTS	 64
#define KERNEL_INDEX	 1024
#define KERNEL_EXCHANGES 8
#define KERNEL_MTU	 1500

struct kernel {
	struct bpf_object *object;
	int program;
	volatile struct coax_config *config;
	struct coax_slot *slots;
	struct coax_link_state *link;
};

struct verdict {
	int action; /* enum xdp_action */
	uint8_t bytes[FRAME_MAX];
	size_t length;
};

static inline int kernel_map(const struct kernel *kernel, const char *name)
{
	return bpf_object__find_map_fd_by_name(kernel->object, name);
}

static inline struct bpf_map *kernel_section(const struct kernel *kernel, const char *suffix)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, kernel->object)
	{
		const char *name = bpf_map__name(map);
		const char *dot = strchr(name, '.');

		if (dot && strcmp(dot, suffix) == 0)
			return map;
	}
	return NULL;
}

static inline void *kernel_mmap(int map, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *memory = mmap(NULL, (size + page - 1) / page * page, PROT_READ | PROT_WRITE,
			    MAP_SHARED, map, 0);

	ASSERT_TRUE(memory != MAP_FAILED);
	return memory;
}

/* A section of variables, as the program sees it. */
static inline void *kernel_variables(const struct kernel *kernel, const char *section)
{
	struct bpf_map *map = kernel_section(kernel, section);

	ASSERT_TRUE(map);
	return kernel_mmap(bpf_map__fd(map), bpf_map__value_size(map));
}

static const uint8_t kernel_mac[6] = {0x02, 0x11, 0x22, 0x33, 0x44, 0x55};

/* Whether this process may load programs at all: what is not allowed is not failed. */
static inline bool kernel_may_load(void)
{
	struct bpf_insn nothing[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS},
				     {.code = BPF_JMP | BPF_EXIT}};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "coax_probe", "GPL", nothing, 2, NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0 || errno != EPERM;
}

/* Switched on, under a lease that does not end, on a link with `kernel_mac`. */
static inline void kernel_open_object(struct kernel *kernel, const void *elf, size_t size)
{
	struct bpf_program *program;
	struct bpf_map *rodata;

	if (!kernel_may_load())
		SKIP("BPF programs may not be loaded here");
	kernel->object = bpf_object__open_mem(elf, size, NULL);
	ASSERT_TRUE(kernel->object);
	program = bpf_object__find_program_by_name(kernel->object, COAX_PROGRAM_NAME);
	ASSERT_TRUE(program);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(kernel->object, "slots"),
				 KERNEL_SLOTS);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(kernel->object, "index"),
				 KERNEL_INDEX);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(kernel->object, "exchanges"),
				 KERNEL_EXCHANGES);
	rodata = kernel_section(kernel, ".rodata");
	ASSERT_TRUE(rodata);
#if defined(__x86_64__) || defined(__i386__)
	((struct coax_setup *)bpf_map__initial_value(rodata, &(size_t){0}))->weakly_ordered =
		!!getenv("COAX_TEST_BARRIERS");
#endif
	ASSERT_EQ(bpf_object__load(kernel->object), 0);
	kernel->program = bpf_program__fd(program);
	kernel->slots =
		kernel_mmap(kernel_map(kernel, "slots"), KERNEL_SLOTS * sizeof(*kernel->slots));
	kernel->config = kernel_mmap(kernel_map(kernel, "config"), sizeof(*kernel->config));
	kernel->link = kernel_variables(kernel, ".data.link");

	memcpy(kernel->link->mac, kernel_mac, 6);
	kernel->link->mtu = KERNEL_MTU;
	kernel->config->layout = COAX_LAYOUT;
	kernel->config->lease = COAX_NEVER;
	kernel->config->enabled = 1;
}

static inline void kernel_open(struct kernel *kernel)
{
	size_t size;
	const void *elf = coax_bpf__elf_bytes(&size);

	kernel_open_object(kernel, elf, size);
}

static inline void kernel_close(struct kernel *kernel)
{
	bpf_object__close(kernel->object);
}

/* A flow from a client to `kernel_mac`, over a documentation prefix. */
static inline struct frame_flow kernel_flow(bool ipv6)
{
	struct frame_flow flow = {
		.source_mac = {0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee},
		.source_ip = {192, 0, 2, 77},
		.destination_ip = {192, 0, 2, 1},
		.source_port = 40321,
		.destination_port = COAX_PORT,
		.ipv6 = ipv6,
		.tag_protocol = {0x8100, 0x8100},
		.tag_control = {0x6064, 0x00c8},
		.ttl = 57,
		.traffic_class = 0xb9,
		.flow_label = 0x9abcd,
		.ip_id = 0x1234,
	};
	static const uint8_t client[16] = {0x20, 0x01, 0x0d, 0xb8, [14] = 0x12, [15] = 0x34};
	static const uint8_t server[16] = {0x20, 0x01, 0x0d, 0xb8, [6] = 0xff, [15] = 0x01};

	memcpy(flow.destination_mac, kernel_mac, 6);
	if (ipv6) {
		memcpy(flow.source_ip, client, 16);
		memcpy(flow.destination_ip, server, 16);
	}
	return flow;
}

static inline struct coax_endpoint_key kernel_endpoint_key(const struct frame_flow *flow)
{
	struct coax_endpoint_key key = {.port_be = htobe16(flow->destination_port)};

	if (flow->ipv6) {
		memcpy(key.address, flow->destination_ip, 16);
	} else {
		key.address[10] = key.address[11] = 0xff;
		memcpy(key.address + 12, flow->destination_ip, 4);
	}
	return key;
}

/* Make the flow's destination an endpoint of a service. */
static inline void kernel_add_service(const struct kernel *kernel, const struct frame_flow *flow,
				      uint32_t service)
{
	struct coax_endpoint_key key = kernel_endpoint_key(flow);
	struct coax_endpoint_value value = {.service = service, .text = "test"};

	ASSERT_EQ(bpf_map_update_elem(kernel_map(kernel, "endpoints"), &key, &value, BPF_ANY), 0);
}

static inline void kernel_add_endpoint(const struct kernel *kernel, const struct frame_flow *flow)
{
	kernel_add_service(kernel, flow, KERNEL_SERVICE);
}

static inline uint16_t kernel_memory_sum(const void *bytes, size_t length)
{
	return htobe16(frame_sum(bytes, length, 0));
}

static inline struct coax_index_key kernel_index_key(const void *request, size_t length)
{
	struct coax_index_key key = {
		.service = KERNEL_SERVICE, .code = COAX_GET, .length = (uint16_t)length};

	memcpy(key.request, request, length);
	return key;
}

/* What asks by `key` gets `code` and the bytes `reply`. */
static inline struct coax_slot *kernel_publish_key(const struct kernel *kernel, uint32_t number,
						   const struct coax_index_key *key, uint8_t code,
						   const void *reply, size_t reply_length)
{
	struct coax_index_value value = {.slot = number, .method = "GET", .uri = "test"};
	struct coax_slot *slot = &kernel->slots[number];
	uint32_t sequence = slot->sequence;

	__atomic_store_n(&slot->sequence, sequence | 1, __ATOMIC_SEQ_CST);
	slot->service = key->service;
	slot->deadline = COAX_NEVER;
	slot->key_length = key->length;
	slot->reply_length = (uint16_t)reply_length;
	slot->key_sum = kernel_memory_sum(key->request, key->length);
	slot->reply_sum = kernel_memory_sum(reply, reply_length);
	slot->key_code = key->code;
	slot->reply_code = code;
	slot->used = 0;
	memcpy(slot->key, key->request, sizeof(slot->key));
	memcpy(slot->reply, reply, reply_length);
	__atomic_store_n(&slot->sequence, (sequence | 1) + 1, __ATOMIC_SEQ_CST);
	ASSERT_EQ(bpf_map_update_elem(kernel_map(kernel, "index"), key, &value, BPF_ANY), 0);
	return slot;
}

/* A GET with the bytes `request` after its token gets `code` and the bytes `reply`. */
static inline struct coax_slot *kernel_publish(const struct kernel *kernel, uint32_t number,
					       const void *request, size_t request_length,
					       uint8_t code, const void *reply, size_t reply_length)
{
	struct coax_index_key key = kernel_index_key(request, request_length);

	return kernel_publish_key(kernel, number, &key, code, reply, reply_length);
}

/* One frame through the program. Returns 0 or a negative errno of the kernel's. */
static inline int kernel_run(const struct kernel *kernel, const struct frame *frame,
			     struct verdict *verdict)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame->bytes,
		    .data_size_in = (uint32_t)frame->length, .data_out = verdict->bytes,
		    .data_size_out = sizeof(verdict->bytes), .repeat = 1);
	int err = bpf_prog_test_run_opts(kernel->program, &options);

	verdict->action = (int)options.retval;
	verdict->length = options.data_size_out;
	return err;
}

/* The counters summed over all CPUs, and set to zero. */
static inline struct coax_stats kernel_take_stats(const struct kernel *kernel)
{
	int cpus = libbpf_num_possible_cpus();
	struct coax_stats *each = calloc((size_t)cpus, sizeof(*each));
	struct coax_stats total = {0};
	uint32_t only = 0;
	int map = kernel_map(kernel, "stats");

	ASSERT_EQ(bpf_map_lookup_elem(map, &only, each), 0);
	for (int cpu = 0; cpu < cpus; cpu++) {
#define KERNEL_ADD(name, text) total.name += each[cpu].name;
		COAX_STATS(KERNEL_ADD)
#undef KERNEL_ADD
	}
	memset(each, 0, (size_t)cpus * sizeof(*each));
	ASSERT_EQ(bpf_map_update_elem(map, &only, each, BPF_ANY), 0);
	free(each);
	return total;
}

static inline const char *kernel_outcome_name(size_t offset)
{
#define KERNEL_NAME(name, text)                          \
	if (offset == offsetof(struct coax_stats, name)) \
		return #name;
	COAX_STATS(KERNEL_NAME)
#undef KERNEL_NAME
	return "?";
}

/* The one counter beside `packets` that grew; 0 if it is not exactly one, by one. */
static inline size_t kernel_take_outcome(const struct kernel *kernel)
{
	struct coax_stats stats = kernel_take_stats(kernel);
	const __u64 *counters = (const __u64 *)&stats;
	size_t found = 0;

	if (stats.packets != 1)
		return 0;
	for (size_t i = 1; i < sizeof(stats) / sizeof(*counters); i++) {
		if (!counters[i])
			continue;
		if (found || counters[i] != 1)
			return 0;
		found = i * sizeof(*counters);
	}
	return found;
}

/* Its name says what becomes of the frame. */
static inline int kernel_action_of(size_t outcome)
{
	const char *name = kernel_outcome_name(outcome);

	if (strncmp(name, "pass_", 5) == 0)
		return XDP_PASS;
	return strncmp(name, "drop_", 5) == 0 ? XDP_DROP : XDP_TX;
}

/*
 * Run the frame: it must end in exactly the outcome at offset `wanted` of struct coax_stats, with
 * the action that belongs to it, and be as it came if it passes.
 */
static inline void kernel_expect(const struct kernel *kernel, const struct frame *frame,
				 size_t wanted, struct verdict *verdict, const char *what)
{
	size_t outcome;

	kernel_take_stats(kernel);
	ASSERT_EQ(kernel_run(kernel, frame, verdict), 0);
	outcome = kernel_take_outcome(kernel);
	if (outcome != wanted) {
		HARNESS_SAY("%s: wanted %s, got %s", what, kernel_outcome_name(wanted),
			    outcome ? kernel_outcome_name(outcome) : "not exactly one");
		harness_hex("frame", frame->bytes, frame->length);
		harness_failed = 1;
		return;
	}
	EXPECT_EQ(verdict->action, kernel_action_of(wanted));
	if (verdict->action == XDP_PASS) {
		EXPECT_EQ(verdict->length, frame->length);
		EXPECT_MEMEQ(verdict->bytes, frame->bytes, frame->length);
	}
}

#define EXPECT_OUTCOME(kernel, frame, name)                                                       \
	do {                                                                                      \
		struct verdict outcome_verdict;                                                   \
		kernel_expect(kernel, frame, offsetof(struct coax_stats, name), &outcome_verdict, \
			      "frame");                                                           \
	} while (0)

/* The same of a table's case, whose name goes into the message. */
#define EXPECT_CASE(kernel, frame, name, sentence)                                                \
	do {                                                                                      \
		struct verdict outcome_verdict;                                                   \
		kernel_expect(kernel, frame, offsetof(struct coax_stats, name), &outcome_verdict, \
			      sentence);                                                          \
	} while (0)

#endif
