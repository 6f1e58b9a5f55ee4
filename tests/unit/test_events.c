#include "cmocka_test.h"

#include "core/events.h"
#include "proxy/peers.h"
#include "store/ledger_format.h"

static struct events ring;

static void put(unsigned count)
{
	struct source_event e = { 0 };

	for (unsigned i = 0; i < count; i++) {
		e.server_us = (uint32_t)ring.head.head;
		events_put(&ring, &e);
	}
}

static void what_was_written_is_read_once_and_in_order(void **state)
{
	struct events_span span;
	uint64_t tail = 0;

	events_init(&ring);
	assert_int_equal(events_span(&ring.head, tail, 100, &span), 0);
	assert_int_equal(span.count, 0);
	for (unsigned round = 0; round < 10000; round++) {
		put(round % 7);
		assert_int_equal(events_span(&ring.head, tail, 100, &span), 0);
		assert_int_equal(span.count, round % 7);
		assert_true(span.lost == 0);
		for (unsigned i = 0; i < span.count; i++)
			assert_int_equal(ring.ring[(span.from + i) % EVENTS_RING].server_us,
					 tail + i);
		assert_int_equal(events_torn(&ring.head, tail, &span), 0);
		tail += span.count;
	}
}

static void what_was_overwritten_is_counted(void **state)
{
	struct events_span span;

	events_init(&ring);
	put(EVENTS_RING + 100);
	assert_int_equal(events_span(&ring.head, 0, EVENTS_RING, &span), 0);
	assert_int_equal(span.count, EVENTS_RING - 1);
	assert_int_equal(span.lost, 101);
	assert_int_equal(ring.ring[span.from].server_us, 101);
	/* of more than it may take, the newest */
	assert_int_equal(events_span(&ring.head, 0, 10, &span), 0);
	assert_int_equal(span.count, 10);
	assert_int_equal(ring.ring[span.from].server_us, EVENTS_RING + 90);
	/* while it was copied the writer went on */
	assert_int_equal(events_span(&ring.head, 101, EVENTS_RING, &span), 0);
	put(3);
	assert_int_equal(events_torn(&ring.head, 101, &span), 3);
	put(EVENTS_RING);
	assert_int_equal(events_torn(&ring.head, 101, &span), span.count);
}

static void a_foreign_head_is_no_ring(void **state)
{
	struct events_head head;
	struct events_span span;

	events_init(&ring);
	put(5);
	head = ring.head;
	head.magic++;
	assert_int_equal(events_span(&head, 0, 10, &span), -1);
	head = ring.head;
	head.capacity *= 2;
	assert_int_equal(events_span(&head, 0, 10, &span), -1);
	head = ring.head;
	head.head = UINT64_MAX; /* a lie: bounded all the same */
	assert_int_equal(events_span(&head, 0, 10, &span), 0);
	assert_true(span.count <= 10 && span.from < EVENTS_RING);
	head.head = 2; /* it began again */
	assert_int_equal(events_span(&head, 5, 10, &span), 0);
	assert_int_equal(span.count, 0);
}

static void sessions_are_counted_by_address(void **state)
{
	struct peers peers;
	uint8_t v4[16] = { [10] = 0xff, 0xff, 192, 0, 2, 1 };
	uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1 };

	assert_int_equal(peers_open(&peers, 2000, 7), 0);
	for (unsigned i = 0; i < 2000; i++) {
		v4[14] = (uint8_t)(i >> 8);
		v4[15] = (uint8_t)i;
		for (unsigned n = 0; n <= i % 3; n++)
			peers_add(&peers, v4);
	}
	v6[15] = 1;
	peers_add(&peers, v6);
	v6[15] = 2; /* the same /64 */
	peers_add(&peers, v6);
	assert_int_equal(peers_count(&peers, v6), 2);
	for (unsigned i = 0; i < 2000; i += 2) {
		v4[14] = (uint8_t)(i >> 8);
		v4[15] = (uint8_t)i;
		for (unsigned n = 0; n <= i % 3; n++)
			peers_remove(&peers, v4);
	}
	for (unsigned i = 0; i < 2000; i++) {
		v4[14] = (uint8_t)(i >> 8);
		v4[15] = (uint8_t)i;
		assert_int_equal(peers_count(&peers, v4), i % 2 ? i % 3 + 1 : 0);
	}
	v4[12] = 10;
	peers_remove(&peers, v4); /* no session of it: nothing happens */
	assert_int_equal(peers_count(&peers, v4), 0);
	peers_close(&peers);
	assert_int_equal(peers_count(&peers, v4), 0);
}

static void a_ledger_on_disk_is_known_by_its_sums(void **state)
{
	const uint64_t seed[2] = { 1, 2 };
	struct ledger_head head, got;
	struct ledger_record record;
	uint8_t bytes[SOURCE_BLOCK];
	uint64_t size = ledger_record_at(16);

	ledger_head_make(&head, seed, 16);
	assert_int_equal(ledger_head_check(&head, sizeof(head), size, &got), 0);
	assert_true(got.seed[1] == 2 && got.blocks == 16);
	assert_true(ledger_head_check(&head, sizeof(head) - 1, size, &got) < 0);
	assert_true(ledger_head_check(&head, sizeof(head), size - 1, &got) < 0);
	assert_true(ledger_head_check(&head, sizeof(head), size + 1, &got) < 0);
	for (size_t i = 0; i < sizeof(head); i++) {
		((uint8_t *)&head)[i] ^= 0x10;
		assert_true(ledger_head_check(&head, sizeof(head), size, &got) < 0);
		((uint8_t *)&head)[i] ^= 0x10;
	}
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	memset(&record, 0, sizeof(record));
	assert_int_equal(ledger_record_check(&record, 3), 0);
	ledger_record_make(&record, 3, 77, bytes);
	assert_int_equal(ledger_record_check(&record, 3), 1);
	assert_int_equal(ledger_record_check(&record, 4), -1); /* another place */
	for (size_t i = 0; i < sizeof(record); i += 13) {
		((uint8_t *)&record)[i] ^= 1;
		assert_int_equal(ledger_record_check(&record, 3), -1);
		((uint8_t *)&record)[i] ^= 1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read_once_and_in_order),
		cmocka_unit_test(what_was_overwritten_is_counted),
		cmocka_unit_test(a_foreign_head_is_no_ring),
		cmocka_unit_test(sessions_are_counted_by_address),
		cmocka_unit_test(a_ledger_on_disk_is_known_by_its_sums),
	};

	return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
