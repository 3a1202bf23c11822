#include "library.h"

#include "body.h"
#include "vehicle.h"

#include <string.h>

enum { SENT_MAX = 32768, SEEN_MAX = 256, LIFT_MS = 1500, CRUISE_MM_S = 1200 };

static struct vehicle vehicle;
static uint32_t next_boot;
static uint8_t sent[SENT_MAX];
static uint16_t sent_count;
static uint32_t room;
static uint32_t seen_events[SEEN_MAX][3];
static uint16_t seen_first;
static uint16_t seen_count;

uint32_t port_next_boot(void)
{
    return next_boot;
}

uint16_t port_send(const uint8_t *octets, uint16_t count)
{
    uint32_t free_octets = (uint32_t)(SENT_MAX - sent_count);
    uint32_t most = room < free_octets ? room : free_octets;
    uint16_t taken = count < most ? count : (uint16_t)most;
    memcpy(sent + sent_count, octets, taken);
    sent_count = (uint16_t)(sent_count + taken);
    room -= taken;
    return taken;
}

void port_seen(int seen, uint32_t first, uint32_t second)
{
    if (seen_count < SEEN_MAX) {
        uint32_t *event = seen_events[(seen_first + seen_count++) % SEEN_MAX];
        event[0] = (uint32_t)seen;
        event[1] = first;
        event[2] = second;
    }
}

void library_boot(const char *serial, uint32_t boot_count, uint8_t reset_cause, uint8_t keep_body, uint32_t now_ms)
{
    struct vehicle_settings settings = {.serial = serial, .cruise_mm_s = CRUISE_MM_S, .reset_cause = reset_cause};
    struct body_settings body = {.lift_ms = LIFT_MS, .charge_permille = 1000};
    next_boot = boot_count;
    sent_count = 0;
    room = UINT32_MAX;
    if (keep_body == 0) {
        seen_count = 0;
        body_begin(&body, now_ms);
    }
    body_run(now_ms);
    vehicle_boot(&vehicle, &settings, now_ms);
}

void library_receive(const uint8_t *octets, uint16_t count, uint32_t now_ms)
{
    body_run(now_ms);
    vehicle_receive(&vehicle, octets, count, now_ms);
}

void library_run(uint32_t now_ms)
{
    body_run(now_ms);
    vehicle_run(&vehicle, now_ms);
}

uint16_t library_sent(uint8_t *octets, uint16_t octets_max)
{
    uint16_t count = sent_count < octets_max ? sent_count : octets_max;
    memcpy(octets, sent, count);
    sent_count = (uint16_t)(sent_count - count);
    memmove(sent, sent + count, sent_count);
    return count;
}

void library_give_room(uint32_t octets)
{
    room = octets;
}

uint8_t library_seen(uint32_t event[3])
{
    if (seen_count == 0) {
        return 0;
    }
    memcpy(event, seen_events[seen_first], sizeof seen_events[0]);
    seen_first = (uint16_t)((seen_first + 1u) % SEEN_MAX);
    seen_count--;
    return 1;
}

void library_counts(uint32_t counts[6])
{
    const struct line_counts *line = &vehicle.receiver.counts;
    counts[0] = line->frames;
    counts[1] = line->runts;
    counts[2] = line->giants;
    counts[3] = line->damaged;
    counts[4] = line->aborted;
    counts[5] = line->unknown;
}

void library_driven(int16_t set_points[2])
{
    body_driven(&set_points[0], &set_points[1]);
}

void library_break(uint16_t faults)
{
    body_break(faults);
}
