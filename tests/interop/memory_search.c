// SPDX-License-Identifier: BSD-2-Clause
/*
 * Whether a process has any of these bytes in its memory:
 *
 *	memory_search PID HEX...
 *
 * Prints where. Exit status: 0 none, 1 there are some, 2 an error.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_FOUND   1
#define EXIT_TROUBLE 2
#define PATTERN_MAX  256
#define CHUNK	     (1 << 20)
/*
 * Mappings of gigabytes are what a sanitizer has set aside and not used, and its shadow: what it
 * knows of each eight bytes, and none of them. To read all that would take hours.
 */
#define SET_ASIDE (UINT64_C(1) << 30)

struct pattern {
	uint8_t bytes[PATTERN_MAX];
	size_t length;
};

static int read_pattern(struct pattern *pattern, const char *hex)
{
	for (pattern->length = 0; *hex; hex += 2, pattern->length++) {
		int read = 0;

		if (pattern->length == PATTERN_MAX ||
		    sscanf(hex, "%2hhx%n", &pattern->bytes[pattern->length], &read) != 1 ||
		    read != 2)
			return -1;
	}
	return pattern->length ? 0 : -1;
}

static int search(const uint8_t *bytes, size_t length, uint64_t address,
		  const struct pattern *patterns, int count, const char *name)
{
	int found = 0;

	for (int i = 0; i < count; i++) {
		const uint8_t *at = bytes;

		while ((at = memmem(at, (size_t)(bytes + length - at), patterns[i].bytes,
				    patterns[i].length))) {
			printf("pattern %d at %#" PRIx64 " in %s\n", i + 1,
			       address + (uint64_t)(at - bytes), name);
			found++;
			at++;
		}
	}
	return found;
}

/*
 * What cannot be read ([vvar]) is none of the process's own. What lies on the seam of two chunks
 * may be found twice.
 */
static int search_mapping(int memory, uint64_t from, uint64_t to, const struct pattern *patterns,
			  int count, const char *name)
{
	static uint8_t bytes[PATTERN_MAX + CHUNK];
	size_t kept = 0;
	int found = 0;

	while (from < to) {
		size_t wanted = to - from < CHUNK ? (size_t)(to - from) : CHUNK;
		ssize_t length = pread(memory, bytes + kept, wanted, (off_t)from);

		if (length <= 0)
			break;
		found += search(bytes, kept + (size_t)length, from - kept, patterns, count, name);
		from += (uint64_t)length;
		length += (ssize_t)kept;
		kept = (size_t)length < PATTERN_MAX ? (size_t)length : PATTERN_MAX;
		memmove(bytes, bytes + length - kept, kept);
	}
	return found;
}

int main(int argc, char **argv)
{
	static struct pattern patterns[32];
	char path[64], line[4096], name[4096];
	int memory, count = argc - 2, found = 0, mappings = 0;
	FILE *maps;

	if (count < 1 || count > 32)
		return EXIT_TROUBLE;
	for (int i = 0; i < count; i++)
		if (read_pattern(&patterns[i], argv[i + 2]))
			return EXIT_TROUBLE;
	snprintf(path, sizeof(path), "/proc/%s/mem", argv[1]);
	memory = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%s/maps", argv[1]);
	maps = fopen(path, "re");
	if (memory < 0 || !maps) {
		perror(path);
		return EXIT_TROUBLE;
	}
	while (fgets(line, sizeof(line), maps)) {
		uint64_t from, to;

		name[0] = 0;
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " r%*s %*s %*s %*s %4095[^\n]", &from, &to,
			   name) < 2 ||
		    to - from >= SET_ASIDE)
			continue;
		found += search_mapping(memory, from, to, patterns, count, name);
		mappings++;
	}
	printf("%d mappings, found %d times\n", mappings, found);
	fclose(maps);
	close(memory);
	if (!mappings)
		return EXIT_TROUBLE;
	return found ? EXIT_FOUND : EXIT_SUCCESS;
}
