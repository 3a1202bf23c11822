/* A board with an ATmega1284P, simulated by simavr in real time: usage: board IMAGE LINK TRUTH
   UART0 is a pty at LINK, the trace on UART1 becomes the truth file. SIGUSR1 is the watchdog's reset. */
#define _DEFAULT_SOURCE

#include "body.h"
#include "line.h"
#include "octets.h"
#include "port.h"
#include "truth.h"

#include <errno.h>
#include <signal.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>
#include <simavr/sim_time.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define FREQUENCY_HZ 18432000u

enum { TICK_US = 250, PORTION_OCTETS = 256, TRACE_OCTETS = 9 };
enum { MCUSR = 0x54, PORF = 1, WDRF = 8 }; /* ATmega1284P: in data space */

static volatile sig_atomic_t reset_asked;
static volatile sig_atomic_t end_asked;

static struct {
    avr_irq_t *line_input;
    bool line_full;
    uint8_t waiting[PORTION_OCTETS];
    uint16_t waiting_first;
    uint16_t waiting_count;
    uint8_t trace[TRACE_OCTETS];
    uint8_t trace_count;
    uint64_t started_us;
} board;

static void on_signal(int number)
{
    if (number == SIGUSR1) {
        reset_asked = 1;
    } else {
        end_asked = 1;
    }
}

static void on_line_octet(struct avr_irq_t *irq, uint32_t value, void *context)
{
    uint8_t octet = (uint8_t)value;
    (void)irq;
    (void)context;
    (void)port_send(&octet, 1);
}

static void on_line_room(struct avr_irq_t *irq, uint32_t value, void *context)
{
    (void)irq;
    (void)value;
    board.line_full = context != 0;
}

static void on_trace_octet(struct avr_irq_t *irq, uint32_t value, void *context)
{
    (void)irq;
    (void)context;
    board.trace[board.trace_count++] = (uint8_t)value;
    if (board.trace_count == TRACE_OCTETS) {
        board.trace_count = 0;
        if (board.trace[0] <= SEEN_DROP) {
            port_seen(board.trace[0], get_u32(board.trace + 1), get_u32(board.trace + 5));
        }
    }
}

static void feed_line(void)
{
    if (board.waiting_first == board.waiting_count) {
        board.waiting_first = 0;
        board.waiting_count = line_receive(board.waiting, PORTION_OCTETS);
    }
    while (!board.line_full && board.waiting_first < board.waiting_count) {
        avr_raise_irq(board.line_input, board.waiting[board.waiting_first++]);
    }
}

/* Lets the host's clock come up with the simulated one. */
static void keep_real_time(const avr_t *avr)
{
    uint64_t simulated_us = avr->cycle * 1000000u / FREQUENCY_HZ;
    uint64_t passed_us = monotonic_us() - board.started_us;
    if (simulated_us > passed_us) {
        struct timespec pause = {.tv_nsec = (long)(1000u * (simulated_us - passed_us))};
        nanosleep(&pause, 0);
    } else if (passed_us - simulated_us > TICK_US) {
        board.started_us += passed_us - simulated_us; /* we were held up: no race, or octets would outrun the wire */
    }
}

static avr_cycle_count_t on_tick(avr_t *avr, avr_cycle_count_t when, void *context)
{
    (void)context;
    feed_line();
    keep_real_time(avr);
    return when + avr_usec_to_cycles(avr, TICK_US);
}

static void sleep_without_waiting(avr_t *avr, avr_cycle_count_t how_long)
{
    (void)avr;
    (void)how_long; /* simavr moves its clock; on_tick waits */
}

static avr_irq_t *uart_irq(avr_t *avr, char uart, int number)
{
    return avr_io_getirq(avr, (uint32_t)AVR_IOCTL_UART_GETIRQ(uart), number);
}

static void connect_lines(avr_t *avr)
{
    static char full;
    uint32_t quiet = 0; /* not on the console, no sleeping of its own */
    avr_ioctl(avr, (uint32_t)AVR_IOCTL_UART_SET_FLAGS('0'), &quiet);
    avr_ioctl(avr, (uint32_t)AVR_IOCTL_UART_SET_FLAGS('1'), &quiet);
    board.line_input = uart_irq(avr, '0', UART_IRQ_INPUT);
    avr_irq_register_notify(uart_irq(avr, '0', UART_IRQ_OUTPUT), on_line_octet, 0);
    avr_irq_register_notify(uart_irq(avr, '0', UART_IRQ_OUT_XON), on_line_room, 0);
    avr_irq_register_notify(uart_irq(avr, '0', UART_IRQ_OUT_XOFF), on_line_room, &full);
    avr_irq_register_notify(uart_irq(avr, '1', UART_IRQ_OUTPUT), on_trace_octet, 0);
}

static void reset(avr_t *avr, uint8_t cause)
{
    avr_reset(avr);
    avr->data[MCUSR] = cause;
    board.trace_count = 0;
    line_reset();
    avr_cycle_timer_register_usec(avr, TICK_US, on_tick, 0);
}

static avr_t *make_board(const char *image)
{
    elf_firmware_t firmware;
    memset(&firmware, 0, sizeof firmware);
    avr_t *avr = avr_make_mcu_by_name("atmega1284p");
    if (avr == 0 || elf_read_firmware(image, &firmware) != 0) {
        fprintf(stderr, "board: %s is no image for an ATmega1284P, or simavr does not know it\n", image);
        return 0;
    }
    avr_init(avr);
    firmware.frequency = FREQUENCY_HZ;
    avr_load_firmware(avr, &firmware);
    avr->frequency = FREQUENCY_HZ;
    avr->sleep = sleep_without_waiting;
    connect_lines(avr);
    return avr;
}

int main(int count, char **words)
{
    struct sigaction action = {.sa_handler = on_signal};
    avr_t *avr = count == 4 ? make_board(words[1]) : 0;
    if (avr == 0) {
        fputs("usage: board IMAGE LINK TRUTH\n", stderr);
        return 2;
    }
    if (!line_open(words[2], 0) || !truth_open(words[3])) {
        fprintf(stderr, "board: cannot open %s or %s: %s\n", words[2], words[3], strerror(errno));
        return 1;
    }
    sigaction(SIGUSR1, &action, 0);
    sigaction(SIGTERM, &action, 0);
    board.started_us = monotonic_us();
    reset(avr, PORF);
    printf("ready %s\n", line_path());
    fflush(stdout);
    while (end_asked == 0 && avr->state != cpu_Done && avr->state != cpu_Crashed) {
        avr_run(avr);
        if (reset_asked != 0) {
            reset_asked = 0;
            reset(avr, WDRF);
        }
    }
    line_close();
    return end_asked != 0 ? 0 : 1;
}
