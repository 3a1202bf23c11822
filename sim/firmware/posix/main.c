/* The reference firmware as a process: a pty for its line, a simulated body, a file for its EEPROM. */
#define _DEFAULT_SOURCE

#include "body.h"
#include "boots.h"
#include "line.h"
#include "truth.h"
#include "vehicle.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IDLE_MS = 5, PORTION_OCTETS = 512 };

struct options {
    struct vehicle_settings vehicle;
    struct body_settings body;
    const char *link;
    const char *boot_file;
    const char *truth;
    uint32_t baud;
    bool watch_stdin;
};

static const char USAGE[] =
    "usage: vehicle [options]\n"
    "A reference vehicle on a pty. Prints 'ready PATH' when the line can be opened. SIGUSR1 resets its firmware.\n"
    "  --serial NAME      its serial number (AGV-1)\n"
    "  --link FILE        a symbolic link to the pty\n"
    "  --baud N           pace of what it sends; 0: none (115200)\n"
    "  --boot-file FILE   keeps the boot count\n"
    "  --truth FILE       appends what physically happens, as JSON lines\n"
    "  --speed-mm-s N     its own speed, 1..1600 (1200)\n"
    "  --pick-ms N        its own duration of PICK and DROP, 1..65535 (1500)\n"
    "  --seed N           spreads that duration by up to a tenth; 0: not at all (0)\n"
    "  --charge N         of its battery, permille, 0..1000 (1000)\n"
    "  --x-mm N --y-mm N --theta-mrad N   where it stands (0 0 0)\n"
    "  --watch-stdin      ends when standard input does\n";

static volatile sig_atomic_t reset_asked;
static volatile sig_atomic_t end_asked;

static void on_signal(int number)
{
    if (number == SIGUSR1) {
        reset_asked = 1;
    } else {
        end_asked = 1;
    }
}

static void refuse(const char *name, const char *text, long least, long most)
{
    fprintf(stderr, "vehicle: --%s %s: expected a number from %ld to %ld\n", name, text, least, most);
    exit(2);
}

static long number(const char *name, const char *text, long least, long most)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < least || value > most) {
        refuse(name, text, least, most);
    }
    return value;
}

static const struct option NAMES[] = {
    {"serial", required_argument, 0, 's'},     {"link", required_argument, 0, 'l'},
    {"baud", required_argument, 0, 'b'},       {"boot-file", required_argument, 0, 'f'},
    {"truth", required_argument, 0, 't'},      {"speed-mm-s", required_argument, 0, 'v'},
    {"pick-ms", required_argument, 0, 'p'},    {"seed", required_argument, 0, 'r'},
    {"charge", required_argument, 0, 'c'},     {"x-mm", required_argument, 0, 'x'},
    {"y-mm", required_argument, 0, 'y'},       {"theta-mrad", required_argument, 0, 'h'},
    {"watch-stdin", no_argument, 0, 'w'},      {0, 0, 0, 0},
};

static void take_option(struct options *options, int letter, const char *name)
{
    switch (letter) {
    case 's': options->vehicle.serial = optarg; break;
    case 'l': options->link = optarg; break;
    case 'f': options->boot_file = optarg; break;
    case 't': options->truth = optarg; break;
    case 'w': options->watch_stdin = true; break;
    case 'b': options->baud = (uint32_t)number(name, optarg, 0, 4000000); break;
    case 'v': options->vehicle.cruise_mm_s = (uint16_t)number(name, optarg, 1, SPEED_MM_S_MAX); break;
    case 'p': options->body.lift_ms = (uint16_t)number(name, optarg, 1, 65535); break;
    case 'r': options->body.seed = (uint32_t)number(name, optarg, 0, 2147483647); break;
    case 'c': options->body.charge_permille = (uint16_t)number(name, optarg, 0, 1000); break;
    case 'x': options->body.x_mm = (int32_t)number(name, optarg, -REACH_MM, REACH_MM); break;
    case 'y': options->body.y_mm = (int32_t)number(name, optarg, -REACH_MM, REACH_MM); break;
    case 'h': options->body.theta_mrad = (int16_t)number(name, optarg, -3141, 3141); break;
    default: fputs(USAGE, stderr); exit(2);
    }
}

static struct options read_options(int count, char **words)
{
    struct options options = {
        .vehicle = {.serial = "AGV-1", .cruise_mm_s = 1200, .reset_cause = RESET_POWER},
        .body = {.lift_ms = 1500, .charge_permille = 1000},
        .baud = 115200,
    };
    int index = 0;
    int letter;
    while ((letter = getopt_long(count, words, "", NAMES, &index)) != -1) {
        take_option(&options, letter, NAMES[index].name);
    }
    if (optind < count) {
        fputs(USAGE, stderr);
        exit(2);
    }
    return options;
}

static void open_files(const struct options *options)
{
    if (options->truth != 0 && !truth_open(options->truth)) {
        fprintf(stderr, "vehicle: cannot append to %s: %s\n", options->truth, strerror(errno));
        exit(1);
    }
    if (!boots_keep_in(options->boot_file)) {
        exit(1);
    }
    if (!line_open(options->link, options->baud)) {
        fprintf(stderr, "vehicle: cannot open a pty%s%s: %s\n", options->link != 0 ? " at " : "",
                options->link != 0 ? options->link : "", strerror(errno));
        exit(1);
    }
}

static uint32_t now_ms(void)
{
    return (uint32_t)(monotonic_us() / 1000u);
}

static bool stdin_ended(void)
{
    char octets[64];
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, 0) > 0 && read(STDIN_FILENO, octets, sizeof octets) <= 0;
}

static void run(struct vehicle *vehicle, const struct options *options)
{
    uint8_t octets[PORTION_OCTETS];
    struct vehicle_settings after_reset = options->vehicle;
    after_reset.reset_cause = RESET_WATCHDOG;
    while (end_asked == 0 && !(options->watch_stdin && stdin_ended())) {
        line_wait(IDLE_MS);
        uint32_t at_ms = now_ms();
        body_run(at_ms);
        if (reset_asked != 0) {
            reset_asked = 0;
            line_reset();
            vehicle_boot(vehicle, &after_reset, at_ms);
        }
        vehicle_receive(vehicle, octets, line_receive(octets, sizeof octets), at_ms);
        vehicle_run(vehicle, at_ms);
    }
}

int main(int count, char **words)
{
    static struct vehicle vehicle;
    struct options options = read_options(count, words);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, 0);
    sigaction(SIGTERM, &action, 0);
    sigaction(SIGINT, &action, 0);
    open_files(&options);
    body_begin(&options.body, now_ms());
    vehicle_boot(&vehicle, &options.vehicle, now_ms());
    printf("ready %s\n", line_path());
    fflush(stdout);
    run(&vehicle, &options);
    line_close();
    return 0;
}
