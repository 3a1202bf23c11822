#include "commands.h"

#include "octets.h"

#include <string.h>

#define NO_LIMIT_MS 65535u
#define UNKNOWN_LENGTH 0xFFu

static void answer(struct commands *commands, uint32_t id, uint16_t epoch, enum outcome outcome, uint8_t reason,
                   uint8_t prior)
{
    if (commands->link->open) { /* else the bridge asks by QUERY, later */
        struct result result = {id, epoch, (uint8_t)outcome, reason, prior};
        (void)delivery_post(&commands->link->delivery, &result);
    }
}

static void report(struct commands *commands, const struct command *command, enum outcome outcome, uint8_t reason)
{
    results_note(&commands->results, command->id, (uint8_t)outcome, reason);
    answer(commands, command->id, command->epoch, outcome, reason, 0);
}

static bool stands(const struct commands *commands)
{
    return commands->sensed->speed_mm_s == 0 && commands->sensed->turn_mrad_s == 0;
}

static bool is_too_late(const struct command *command, uint32_t now_ms)
{
    return command->ttl_ms != NO_LIMIT_MS && now_ms - command->came_ms >= command->ttl_ms;
}

static bool is_lift(const struct command *command)
{
    return command->type == PICK || command->type == DROP;
}

static bool cancels(const struct commands *commands)
{
    for (uint8_t index = 0; index < commands->waiters_count; index++) {
        if (commands->waiters[index].type == CANCEL) {
            return true;
        }
    }
    return false;
}

static void end_running(struct commands *commands, enum outcome outcome, uint8_t reason)
{
    commands->runs = false;
    if (outcome == DONE && commands->running.type == MOVE) {
        commands->node = get_u32(commands->running.body);
    }
    if (outcome == DONE && is_lift(&commands->running)) {
        uint32_t *moved = commands->running.type == PICK ? &commands->picks : &commands->drops;
        ++*moved;
    }
    report(commands, &commands->running, outcome, reason);
}

static void fail_running(struct commands *commands, uint8_t reason)
{
    if (is_lift(&commands->running)) {
        port_lift(LIFT_ABORT, 0, 0, 0);
        port_sense(commands->sensed);
        if (commands->sensed->lift_done) {
            end_running(commands, DONE, REASON_NONE);
            return;
        }
    }
    end_running(commands, FAILED, reason);
}

void commands_fail(struct commands *commands, uint8_t reason_running, uint8_t reason_waiting)
{
    if (commands->runs) {
        fail_running(commands, reason_running);
    }
    for (uint8_t index = 0; index < commands->queue_count; index++) {
        report(commands, &commands->queue[index], FAILED, reason_waiting);
    }
    commands->queue_count = 0;
}

static void remove_waiting(struct commands *commands, uint8_t index)
{
    commands->queue_count--;
    uint8_t behind = (uint8_t)(commands->queue_count - index);
    memmove(&commands->queue[index], &commands->queue[index + 1], behind * sizeof commands->queue[0]);
}

static void expire(struct commands *commands, uint32_t now_ms)
{
    for (uint8_t index = commands->queue_count; index-- > 0;) {
        struct command command = commands->queue[index];
        if (is_too_late(&command, now_ms)) {
            remove_waiting(commands, index);
            report(commands, &command, EXPIRED, commands->paused ? REASON_PAUSED : REASON_NONE);
        }
    }
}

static void begin_move(struct commands *commands)
{
    const uint8_t *body = commands->running.body;
    struct goal goal = {
        .x_mm = (int32_t)get_u32(body + 4),
        .y_mm = (int32_t)get_u32(body + 8),
        .theta_mrad = (int16_t)get_u16(body + 12),
        .speed_mm_s = get_u16(body + 14),
    };
    if (!motion_reaches(&goal)) {
        end_running(commands, FAILED, REASON_IMPOSSIBLE);
        return;
    }
    if (goal.speed_mm_s == 0) {
        goal.speed_mm_s = commands->cruise_mm_s;
    }
    if (goal.speed_mm_s > SPEED_MM_S_MAX) {
        goal.speed_mm_s = SPEED_MM_S_MAX;
    }
    answer(commands, commands->running.id, commands->running.epoch, STARTED, REASON_NONE, 0);
    motion_begin(&commands->motion, &goal, commands->sensed);
    if (commands->motion.phase == ARRIVED) {
        end_running(commands, DONE, REASON_NONE);
    }
}

static void begin_lift(struct commands *commands)
{
    const uint8_t *body = commands->running.body;
    bool picks = commands->running.type == PICK;
    uint32_t station = get_u32(body);
    if (commands->sensed->loaded == picks || station == 0) {
        end_running(commands, FAILED, REASON_IMPOSSIBLE);
        return;
    }
    answer(commands, commands->running.id, commands->running.epoch, STARTED, REASON_NONE, 0);
    port_lift(picks ? LIFT_PICK : LIFT_DROP, station, get_u16(body + 4), get_u16(body + 6));
    commands->sensed->lift_done = false;
}

static void begin_next(struct commands *commands)
{
    while (!commands->runs && commands->queue_count > 0 && !commands->paused && !cancels(commands) &&
           stands(commands)) {
        commands->running = commands->queue[0];
        remove_waiting(commands, 0);
        commands->runs = true;
        results_note(&commands->results, commands->running.id, STARTED, REASON_NONE);
        if (commands->running.type == MOVE) {
            begin_move(commands);
        } else {
            begin_lift(commands);
        }
    }
}

static void take_queued(struct commands *commands, const struct command *command)
{
    if (commands->latch->cause != RELEASED) {
        report(commands, command, FAILED, REASON_LATCHED);
    } else if (commands->queue_count == QUEUE_MAX) {
        report(commands, command, FAILED, REASON_QUEUE_FULL);
    } else {
        commands->queue[commands->queue_count++] = *command;
        report(commands, command, ACCEPTED, REASON_NONE);
        begin_next(commands);
    }
}

/* PAUSE and CANCEL: DONE now, or when the vehicle stands. */
static void end_at_standstill(struct commands *commands, const struct command *command)
{
    if (stands(commands)) {
        report(commands, command, DONE, REASON_NONE);
    } else if (commands->waiters_count == STANDSTILL_WAITERS_MAX) {
        report(commands, command, FAILED, REASON_QUEUE_FULL);
    } else {
        commands->waiters[commands->waiters_count++] = *command;
        report(commands, command, STARTED, REASON_NONE);
    }
}

static void take_pause(struct commands *commands, const struct command *command)
{
    commands->paused = true;
    if (commands->runs && is_lift(&commands->running)) {
        port_lift(LIFT_HOLD, 0, 0, 0);
    }
    end_at_standstill(commands, command);
}

static void take_resume(struct commands *commands, const struct command *command)
{
    commands->paused = false;
    if (commands->runs && is_lift(&commands->running)) {
        port_lift(LIFT_GO_ON, 0, 0, 0);
    }
    report(commands, command, DONE, REASON_NONE);
    begin_next(commands);
}

static void take_query(struct commands *commands, const struct command *query)
{
    uint32_t id = get_u32(query->body);
    const struct kept *kept = results_find(&commands->results, id);
    if (kept == 0) {
        answer(commands, id, query->epoch, FAILED, REASON_FORGOTTEN, 0);
    } else {
        answer(commands, id, query->epoch, DUPLICATE, kept->reason, kept->outcome);
    }
}

static uint8_t body_octets(uint8_t type)
{
    switch (type) {
    case MOVE:
        return MOVE_BODY_OCTETS;
    case PICK:
    case DROP:
        return LIFT_BODY_OCTETS;
    case PAUSE:
    case RESUME:
    case CANCEL:
        return 0;
    case QUERY:
        return QUERY_BODY_OCTETS;
    default:
        return UNKNOWN_LENGTH;
    }
}

static bool has_its_length(const struct commands *commands, uint8_t type, uint8_t octets)
{
    uint8_t known = body_octets(type);
    bool longer_fits = commands->link->peer_minor > PROTOCOL_MINOR;
    return known != UNKNOWN_LENGTH && (octets == known || (octets > known && longer_fits));
}

/* Why a command of this opening cannot be taken at all; its outcome is 0 when it can. */
static struct kept refusal(const struct commands *commands, const struct command *command, uint8_t octets,
                           uint32_t now_ms)
{
    if (command->epoch != commands->link->epoch) {
        return (struct kept){command->id, FAILED, REASON_STALE};
    }
    if (!has_its_length(commands, command->type, octets)) {
        return (struct kept){command->id, FAILED, REASON_UNSUPPORTED};
    }
    return (struct kept){command->id, is_too_late(command, now_ms) ? EXPIRED : 0, REASON_NONE};
}

static void act(struct commands *commands, const struct command *command)
{
    switch (command->type) {
    case PAUSE:
        take_pause(commands, command);
        break;
    case RESUME:
        take_resume(commands, command);
        break;
    case CANCEL:
        commands_fail(commands, REASON_CANCELLED, REASON_CANCELLED);
        end_at_standstill(commands, command);
        break;
    default:
        take_queued(commands, command);
    }
}

/* Whether the id is a new one; answers what it is when not. */
static bool is_new(struct commands *commands, const struct command *command)
{
    const struct kept *kept = results_find(&commands->results, command->id);
    if (kept != 0) {
        answer(commands, command->id, command->epoch, DUPLICATE, kept->reason, kept->outcome);
    } else if (command->id <= commands->results.highest_id) {
        answer(commands, command->id, command->epoch, FAILED, REASON_FORGOTTEN, 0);
    } else {
        return true;
    }
    return false;
}

bool commands_take(struct commands *commands, const uint8_t *info, uint8_t count, uint32_t now_ms)
{
    if (count < COMMAND_HEADER_OCTETS) {
        return false;
    }
    struct command command = {get_u32(info + 1), get_u16(info + 5), get_u16(info + 7), now_ms, info[0], {0}};
    uint8_t octets = (uint8_t)(count - COMMAND_HEADER_OCTETS);
    memcpy(command.body, info + COMMAND_HEADER_OCTETS, octets < BODY_OCTETS_MAX ? octets : BODY_OCTETS_MAX);
    struct kept refused = refusal(commands, &command, octets, now_ms);
    if (command.type == QUERY) { /* its own id is not kept: only its refusal names it */
        if (refused.outcome == 0) {
            take_query(commands, &command);
        } else {
            answer(commands, command.id, command.epoch, refused.outcome, refused.reason, 0);
        }
    } else if (is_new(commands, &command)) {
        results_add(&commands->results, command.id);
        if (refused.outcome == 0) {
            act(commands, &command);
        } else {
            report(commands, &command, refused.outcome, refused.reason);
        }
    }
    return true;
}

static void end_waiters(struct commands *commands)
{
    if (!stands(commands)) {
        return;
    }
    for (uint8_t index = 0; index < commands->waiters_count; index++) {
        report(commands, &commands->waiters[index], DONE, REASON_NONE);
    }
    commands->waiters_count = 0;
}

void commands_step(struct commands *commands, uint32_t now_ms)
{
    bool latched = commands->latch->cause != RELEASED;
    struct set_point point = {0, 0};
    if (commands->runs && is_lift(&commands->running) && commands->sensed->lift_done) {
        end_running(commands, DONE, REASON_NONE);
    }
    expire(commands, now_ms);
    end_waiters(commands);
    begin_next(commands);
    if (commands->runs && commands->running.type == MOVE && !commands->paused) {
        point = motion_step(&commands->motion, commands->sensed);
        if (commands->motion.phase == ARRIVED) {
            end_running(commands, DONE, REASON_NONE);
            begin_next(commands);
        }
    }
    port_drive(point.speed_mm_s, point.turn_mrad_s, latched);
}
