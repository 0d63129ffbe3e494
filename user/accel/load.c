// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "accel/internal.h"
#include "bpf/coax.skel.h"
#include "clock.h"

#define NEARBY_SIZE (COAX_NEARBY_BUCKETS * sizeof(struct coax_nearby)) /* whole pages */

static void say_why(const struct coax_accel *accel, const char *what, int err)
{
	const char *advice = "";

	if (err == -EPERM || err == -EACCES)
		advice = ACCEL_PRIVILEGES;
	else if (err == -ENOMEM || err == -E2BIG)
		advice = "; fewer slots need less memory";
	coax_log(&accel->logger, COAX_LOG_WARNING, "%s: %s%s", what, strerror(-err), advice);
}

static int check_options(const struct coax_accel_options *options, const struct coax_logger *logger)
{
	const char *instance = options->instance ? options->instance : COAX_INSTANCE_DEFAULT;

	if (!coax_accel_instance_is_valid(instance)) {
		coax_log(logger, COAX_LOG_ERROR,
			 "'%s' is no instance name: up to %d of A-Z a-z 0-9 _ -", instance,
			 COAX_ACCEL_INSTANCE_MAX);
		return -EINVAL;
	}
	if (!options->interface_count || options->interface_count > COAX_ATTACHMENTS_MAX) {
		coax_log(logger, COAX_LOG_ERROR, "%zu interfaces: 1 to %d can be attached to",
			 options->interface_count, COAX_ATTACHMENTS_MAX);
		return -EINVAL;
	}
	if (options->exchanges > COAX_ACCEL_EXCHANGES_MAX) {
		coax_log(logger, COAX_LOG_ERROR, "%u exchanges: at most %u", options->exchanges,
			 COAX_ACCEL_EXCHANGES_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; i < options->interface_count; i++) {
		const char *name = options->interfaces[i];

		if (strlen(name) && strlen(name) < IF_NAMESIZE)
			continue;
		coax_log(logger, COAX_LOG_ERROR, "'%s' is no interface name", name);
		return -EINVAL;
	}
	if (options->sessions > COAX_ACCEL_SESSIONS_MAX) {
		coax_log(logger, COAX_LOG_ERROR, "%u sessions: at most %u", options->sessions,
			 COAX_ACCEL_SESSIONS_MAX);
		return -EINVAL;
	}
	if (options->slots > COAX_ACCEL_SLOTS_MAX) {
		coax_log(logger, COAX_LOG_ERROR, "%u slots: at most %u", options->slots,
			 COAX_ACCEL_SLOTS_MAX);
		return -EINVAL;
	}
	return 0;
}

/* A lease ends by the kernel's clock. In a time namespace ours may differ (time_namespaces(7)). */
static int check_clock(const struct coax_logger *logger)
{
	FILE *offsets = fopen("/proc/self/timens_offsets", "re");
	long long seconds = 0;
	long nanoseconds = 0;
	int read;

	if (!offsets)
		return 0; /* no such namespaces */
	read = fscanf(offsets, "monotonic %lld %ld", &seconds, &nanoseconds);
	fclose(offsets);
	if (read == 2 && !seconds && !nanoseconds)
		return 0;
	coax_log(logger, COAX_LOG_WARNING,
		 "the monotonic clock of this time namespace is not the kernel's, by which a "
		 "lease ends: run in one without an offset");
	return -EOPNOTSUPP;
}

static bool is_listed(const struct coax_accel *accel, const char *name)
{
	for (size_t i = 0; i < accel->interface_count; i++)
		if (strcmp(accel->interfaces[i].name, name) == 0)
			return true;
	return false;
}

static void take_options(struct coax_accel *accel, const struct coax_accel_options *options)
{
	const char *instance = options->instance ? options->instance : COAX_INSTANCE_DEFAULT;

	memcpy(accel->instance, instance, strlen(instance));
	accel->generic = options->generic;
	accel->route_replies = options->route_replies;
	accel->slot_count = options->slots ? options->slots : ACCEL_SLOTS_DEFAULT;
	accel->exchange_count = coax_hash_buckets(options->exchanges ? options->exchanges
								     : ACCEL_EXCHANGES_DEFAULT);
	if (accel->exchange_count < COAX_EXCHANGE_WAYS)
		accel->exchange_count = COAX_EXCHANGE_WAYS;
	accel->session_count = options->sessions;
	accel->lease_ms = options->lease_ms ? options->lease_ms : ACCEL_LEASE_DEFAULT;
	for (size_t i = 0; i < options->interface_count; i++) {
		const char *name = options->interfaces[i];

		if (!is_listed(accel, name))
			memcpy(accel->interfaces[accel->interface_count++].name, name,
			       strlen(name));
	}
}

/* Few requests share a hint, and the table still fits the CPU's caches where the slots do. */
static uint32_t hint_bits(uint32_t slots)
{
	uint32_t bits = 10;

	while (1U << bits < 4 * slots)
		bits++;
	return bits;
}

static void size_maps(const struct coax_accel *accel, struct coax_bpf *program)
{
	uint32_t bits = hint_bits(accel->slot_count);

	bpf_map__set_max_entries(program->maps.index, accel->slot_count);
	bpf_map__set_max_entries(program->maps.slots, accel->slot_count);
	bpf_map__set_max_entries(program->maps.hints, 1U << bits);
	program->rodata->coax_setup.hint_bits = bits;
	bpf_map__set_max_entries(program->maps.exchanges, accel->exchange_count);
	bpf_map__set_max_entries(program->maps.sessions,
				 accel->session_count ? accel->session_count : 1);
#if defined(__x86_64__) || defined(__i386__)
	program->rodata->coax_setup.weakly_ordered = 0;
#endif
	program->rodata->coax_setup.owner = accel->owner;
	program->rodata->coax_setup.route_replies = accel->route_replies;
}

int accel_program_open(const struct coax_accel *accel, struct coax_bpf **program)
{
	struct coax_bpf *p = coax_bpf__open();
	int err;

	if (!p)
		return -errno;
	size_maps(accel, p);
	for (size_t i = 0; i < ACCEL_MAPS; i++) {
		const char *name = accel_map_names[i];
		const struct bpf_map *shared =
			bpf_object__find_map_by_name(accel->shared->obj, name);

		err = bpf_map__reuse_fd(bpf_object__find_map_by_name(p->obj, name),
					bpf_map__fd(shared));
		if (err) {
			coax_bpf__destroy(p);
			return err;
		}
	}
	*program = p;
	return 0;
}

static void *map_memory(int fd, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static int map_maps(struct coax_accel *accel)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	accel->config_size = (sizeof(*accel->config) + page - 1) / page * page;
	accel->slots_size = (accel->slot_count * sizeof(*accel->slots) + page - 1) / page * page;
	accel->config = map_memory(bpf_map__fd(accel->shared->maps.config), accel->config_size);
	if (!accel->config)
		return -errno;
	accel->slots = map_memory(bpf_map__fd(accel->shared->maps.slots), accel->slots_size);
	if (!accel->slots)
		return -errno;
	accel->limits_size = (COAX_LIMITS * sizeof(*accel->limits) + page - 1) / page * page;
	accel->limits = map_memory(bpf_map__fd(accel->shared->maps.limits), accel->limits_size);
	if (!accel->limits)
		return -errno;
	accel->nearby = map_memory(bpf_map__fd(accel->shared->maps.nearby), NEARBY_SIZE);
	if (!accel->nearby)
		return -errno;
	accel->exchanges_size =
		(accel->exchange_count * sizeof(*accel->exchanges) + page - 1) / page * page;
	accel->exchanges =
		map_memory(bpf_map__fd(accel->shared->maps.exchanges), accel->exchanges_size);
	if (!accel->exchanges)
		return -errno;
	accel->index_fd = bpf_map__fd(accel->shared->maps.index);
	accel->endpoints_fd = bpf_map__fd(accel->shared->maps.endpoints);
	accel->verified_fd = bpf_map__fd(accel->shared->maps.verified);
	accel->prefixes_fd = bpf_map__fd(accel->shared->maps.prefixes);
	accel->sessions_fd = bpf_map__fd(accel->shared->maps.sessions);
	return 0;
}

/* The shared maps come from an object of their own, whose program is never loaded. */
static int load_maps(struct coax_accel *accel, bool *reused)
{
	int err;

	accel->shared = coax_bpf__open();
	if (!accel->shared)
		return -errno;
	bpf_program__set_autoload(accel->shared->progs.coax_xdp, false);
	bpf_map__set_autocreate(accel->shared->maps.hints, false);
	size_maps(accel, accel->shared);
	if (accel->succeeds && accel->former.layout == COAX_LAYOUT)
		accel_pins_carry(accel, accel->shared->obj);
	else if (!accel->succeeds)
		*reused = accel_pins_reuse(accel, accel->shared->obj);
	err = bpf_object__load(accel->shared->obj);
	if (!err && !*reused)
		err = accel_pins_create(accel, accel->shared->obj);
	if (!err && !*reused && !accel->succeeds)
		err = accel_pins_publish(accel);
	return err ? err : map_maps(accel);
}

static void empty_hash(int fd, size_t key_size)
{
	char key[sizeof(struct coax_index_key)];
	char next[sizeof(key)];
	bool more = bpf_map_get_next_key(fd, NULL, key) == 0;

	while (more) {
		more = bpf_map_get_next_key(fd, key, next) == 0;
		bpf_map_delete_elem(fd, key);
		memcpy(key, next, key_size);
	}
}

/*
 * Nothing of what a former process published is ever answered again; what it answered to requests
 * that must run once, is; the counters go on.
 */
static void clear(struct coax_accel *accel)
{
	_Static_assert(sizeof(struct coax_endpoint_key) <= sizeof(struct coax_index_key), "");
	_Static_assert(sizeof(struct coax_prefix_key) <= sizeof(struct coax_index_key), "");
	_Static_assert(sizeof(struct coax_session_key) <= sizeof(struct coax_index_key), "");

	accel->config->enabled = 0;
	__atomic_store_n(&accel->config->lease, 0, __ATOMIC_SEQ_CST);
	empty_hash(accel->endpoints_fd, sizeof(struct coax_endpoint_key));
	accel_nearby_sync(accel);
	accel_exchanges_inherit(accel);
	empty_hash(accel->index_fd, sizeof(struct coax_index_key));
	empty_hash(accel->verified_fd, sizeof(struct coax_verified_key));
	empty_hash(accel->prefixes_fd, sizeof(struct coax_prefix_key));
	empty_hash(accel->sessions_fd, sizeof(struct coax_session_key));
	memset(&accel->config->guard, 0, sizeof(accel->config->guard));
	memset(accel->limits, 0, COAX_LIMITS * sizeof(*accel->limits));
	for (uint32_t i = 0; i < accel->slot_count; i++)
		accel_slot_reset(&accel->slots[i]);
	memset(accel->config->attachments, 0, sizeof(accel->config->attachments));
}

static void begin_config(struct coax_accel *accel)
{
	accel->config->lease_length = accel->lease_ms * NS_PER_MS;
	accel->config->pid = (uint32_t)getpid();
	accel->config->slots = accel->slot_count;
	accel->config->owner = accel->owner;
	accel->config->exchanges = accel->exchange_count;
	accel->config->sessions = accel->session_count;
	accel->config->sessions_missing = 0;
	accel->config->enabled = 1;
	accel->config->layout = COAX_LAYOUT;
}

/* Programs on our interfaces, and on those that the former owner says it had. */
static void detach_leftovers(const struct coax_accel *accel, const struct coax_config *former,
			     uint32_t former_id)
{
	accel_bpf_links_clear(accel);
	for (size_t i = 0; i < COAX_ATTACHMENTS_MAX; i++)
		if (former->attachments[i].ifindex)
			accel_leftovers_detach(accel, former->attachments[i].ifindex, former_id);
	for (size_t i = 0; i < accel->interface_count; i++) {
		uint32_t ifindex = if_nametoindex(accel->interfaces[i].name);

		if (ifindex)
			accel_leftovers_detach(accel, ifindex, former_id);
	}
}

static int load(struct coax_accel *accel)
{
	bool reused = false;
	int err;

	accel->former_id = accel_pins_former(accel, &accel->former);
	if (!accel->succeeds) {
		if (accel->former.layout == COAX_LAYOUT)
			accel_pins_revoke(accel, &accel->former);
		detach_leftovers(accel, &accel->former, accel->former_id);
	}
	err = load_maps(accel, &reused);
	if (err) {
		say_why(accel, "cannot load the kernel half", err);
		return err;
	}
	if (reused) {
		clear(accel);
		accel->owner = accel->former.owner + 1;
		coax_log(&accel->logger, COAX_LOG_INFO,
			 "took over instance '%s' from a process that is gone (pid %u)",
			 accel->instance, accel->former.pid);
	}
	err = accel_secret_init(accel);
	if (!err)
		err = accel_publisher_init(accel);
	if (!err)
		err = accel_ageing_init(accel);
	if (err)
		return err;
	begin_config(accel);
	accel->netlink = accel_netlink_listen();
	return accel->netlink < 0 ? accel->netlink : 0;
}

int coax_accel_open(struct coax_accel **accel, const struct coax_accel_options *options,
		    const struct coax_logger *logger)
{
	struct coax_accel *a;
	int err = check_options(options, logger);

	if (!err)
		err = check_clock(logger);
	if (err)
		return err;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	if (logger)
		a->logger = *logger;
	else
		a->logger.from = COAX_LOG_ERROR + 1;
	a->root_fd = -1;
	a->directory_fd = -1;
	a->netlink = -1;
	a->succeeds = options->lock;
	pthread_mutex_init(&a->interfaces_lock, NULL);
	pthread_mutex_init(&a->sessions_lock, NULL);
	for (size_t i = 0; i < COAX_ATTACHMENTS_MAX; i++)
		a->interfaces[i].link_fd = -1;
	take_options(a, options);

	accel_libraries_log_to(&a->logger);
	err = accel_pins_lock(a, options->lock);
	if (!err)
		err = load(a);
	accel_libraries_log_to(NULL);
	if (err) {
		coax_accel_close(a);
		return err;
	}
	*accel = a;
	return 0;
}

static void detach_all(struct coax_accel *accel)
{
	for (size_t i = 0; i < accel->interface_count; i++)
		accel_interface_close(accel, &accel->interfaces[i], true);
}

void coax_accel_close(struct coax_accel *accel)
{
	struct accel_privileges privileges;

	if (!accel)
		return;
	accel_privileges_raise(&privileges);
	accel_libraries_log_to(&accel->logger);
	if (accel->config) {
		accel->config->enabled = 0;
		__atomic_store_n(&accel->config->lease, 0, __ATOMIC_SEQ_CST);
		detach_all(accel);
	}
	accel_publisher_destroy(accel);
	accel_ageing_destroy(accel);
	if (accel->netlink >= 0)
		close(accel->netlink);
	if (accel->slots)
		munmap(accel->slots, accel->slots_size);
	if (accel->limits)
		munmap(accel->limits, accel->limits_size);
	if (accel->nearby)
		munmap(accel->nearby, NEARBY_SIZE);
	if (accel->exchanges)
		munmap(accel->exchanges, accel->exchanges_size);
	if (accel->config)
		munmap(accel->config, accel->config_size);
	coax_bpf__destroy(accel->shared);
	if (accel->directory_fd >= 0) {
		if (accel->succeeds)
			accel_pins_withdraw(accel);
		else if (!accel->handed_over)
			accel_pins_remove(accel);
		close(accel->directory_fd);
	}
	if (accel->root_fd >= 0)
		close(accel->root_fd);
	pthread_mutex_destroy(&accel->interfaces_lock);
	pthread_mutex_destroy(&accel->sessions_lock);
	accel_libraries_log_to(NULL);
	accel_privileges_lower(&privileges);
	free(accel->bound);
	free(accel->endpoints);
	free(accel);
}

void coax_accel_renew(struct coax_accel *accel, uint64_t since)
{
	uint64_t until = since + accel->config->lease_length;

	__atomic_store_n(&accel->config->lease, until, __ATOMIC_RELAXED);
}

int coax_accel_lock(const struct coax_accel *accel)
{
	return accel->directory_fd;
}

void coax_accel_hand_over(struct coax_accel *accel)
{
	pthread_mutex_lock(&accel->interfaces_lock);
	accel->handed_over = true;
	accel_interfaces_unlock(accel);
}

uint32_t coax_accel_lease_ms(const struct coax_accel *accel)
{
	return accel->lease_ms;
}
