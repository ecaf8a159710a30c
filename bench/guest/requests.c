// SPDX-License-Identifier: BSD-2-Clause
/*
 * requests: in a guest with Linux, what a request to a virtio device takes until its answer is there: a
 * read of the disk's that no cache has, and an echo request to the network's gateway. One at a time.
 *
 *   BENCH operation=NAME count=TIMES ticks=TICKS
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../host/ticks.h"

#define ROUNDS	33
#define TIMES	64 /* in a round */
#define BLOCK	4096
#define BLOCKS	1024 /* of the disk, that are read */
#define GATEWAY "10.0.2.2"

static char block[BLOCK] __attribute__((aligned(BLOCK)));
static int disk, gateway;
static unsigned int requests;

/* ---- requests ---- */

static void read_block(void)
{
	off_t offset = (off_t)(requests++ % BLOCKS) * BLOCK;

	if (pread(disk, block, BLOCK, offset) != BLOCK)
		err(1, "read of the disk");
}

/* Of one's complements, as IP has it. */
static uint16_t checksum(const void *data, size_t bytes)
{
	uint32_t sum = 0;

	for (size_t at = 0; at < bytes; at += 2) {
		uint16_t word;

		memcpy(&word, (const char *)data + at, sizeof(word));
		sum += word;
	}
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t) ~(sum + (sum >> 16));
}

static bool is_answer(const char *packet, ssize_t bytes, uint16_t sequence)
{
	const size_t head = sizeof(struct iphdr);
	struct icmphdr answer;

	if (bytes < (ssize_t)(head + sizeof(answer)))
		return false;
	memcpy(&answer, packet + head, sizeof(answer));
	return answer.type == ICMP_ECHOREPLY && answer.un.echo.sequence == sequence;
}

static void ask_gateway(void)
{
	struct icmphdr request = { .type = ICMP_ECHO, .un.echo.sequence = (uint16_t)requests++ };
	char packet[256];
	ssize_t bytes;

	request.checksum = checksum(&request, sizeof(request));
	if (send(gateway, &request, sizeof(request), 0) != sizeof(request))
		err(1, "echo request");
	do {
		bytes = recv(gateway, packet, sizeof(packet), 0);
		if (bytes < 0)
			err(1, "echo reply");
	} while (!is_answer(packet, bytes, request.un.echo.sequence));
}

/* ---- rounds ---- */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The median of rounds. Their number is odd. Before them there is one that does not count. */
static void measure(const char *name, void (*request)(void))
{
	uint64_t ticks[ROUNDS + 1];

	for (unsigned int round = 0; round < ROUNDS + 1; round++) {
		uint64_t start = counter();

		for (unsigned int i = 0; i < TIMES; i++)
			request();
		ticks[round] = counter() - start;
	}
	qsort(ticks + 1, ROUNDS, sizeof(ticks[0]), by_value);
	printf("BENCH operation=%s count=%u ticks=%lu\n", name, TIMES, ticks[1 + ROUNDS / 2]);
}

int main(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };

	inet_aton(GATEWAY, &address.sin_addr);
	disk = need(open("/dev/vda", O_RDONLY | O_DIRECT), "/dev/vda");
	gateway = need(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), "a raw socket");
	need(connect(gateway, (const struct sockaddr *)&address, sizeof(address)), GATEWAY);
	printf("BENCH frequency=%lu\n", frequency());
	measure("disk-read", read_block);
	measure("echo", ask_gateway);
	return 0;
}
