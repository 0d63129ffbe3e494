// SPDX-License-Identifier: BSD-2-Clause
#include "coaxd/check.h"
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <coax/address.h>
#include <coax/credentials.h>
#include "coaxd/privileges.h"

static void check_directory(const char *directory, struct coaxd_problems *problems)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		coaxd_problem(problems, "cannot serve \"%s\": %s", directory, strerror(errno));
	else
		close(fd);
}

static void check_credentials(const struct coaxd_security *security,
			      struct coaxd_problems *problems)
{
	char error[COAX_CREDENTIALS_ERROR_MAX];
	struct coax_credentials *credentials;

	if (coaxd_security_load(security, &credentials, error))
		coaxd_problem(problems, "%s", error);
	coax_credentials_release(credentials);
}

/* "ff05::fd%eth0", or "eth0". Without its interface the daemon would not start. */
static void check_group(const char *group, struct coaxd_problems *problems)
{
	const char *scope = strchr(group, '%');
	union coax_address address;

	if (!scope && coax_address_parse(&address, group, 0) == 0)
		return;
	if (!if_nametoindex(scope ? scope + 1 : group))
		coaxd_problem(problems, "group \"%s\": there is no such interface", group);
}

/* It looks at what it is to proxy when it is made. */
static void check_proxy(const struct coaxd_options *options, struct coaxd_problems *problems)
{
	struct coax_proxy_options proxying = options->proxy;
	struct coax_proxy *proxy = NULL;
	struct coax_site *site = NULL;

	proxying.logger = *problems->logger;
	if (coax_site_create(&site) || coax_proxy_create(&proxy, site, &proxying))
		problems->count++;
	coax_proxy_destroy(proxy);
	coax_site_destroy(site);
}

unsigned int coaxd_check(const struct coaxd_options *options, struct coaxd_problems *problems)
{
	if (!options)
		return problems->count;
	for (size_t i = 0; i < options->files_count; i++)
		check_directory(options->files[i].directory, problems);
	if (coaxd_options_have_proxy(options))
		check_proxy(options, problems);
	check_credentials(&options->security, problems);
	for (size_t i = 0; i < options->context.group_count; i++)
		check_group(options->groups[i], problems);
	if (coaxd_privileges_check(options->user, problems->logger))
		problems->count++;
	if (!problems->count)
		puts("coaxd: all is in order");
	return problems->count;
}
