/* The port to an ATmega1284P at 18.432 MHz: UART0 is the line at 115200 baud, EEPROM keeps the boot count.
   UART1 is the trace: nine octets for each event seen, for the simulated board. */
#define F_CPU 18432000ul

#include "body.h"
#include "octets.h"
#include "vehicle.h"

#include <avr/eeprom.h>
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>

#define BAUD 115200ul
#define BAUD_DIVIDER (F_CPU / (16ul * BAUD) - 1) /* 9, exactly */

enum { RING_OCTETS = 256 }; /* a ring's index is one octet: it wraps by itself */
enum { SENDING_MAX = 16 };  /* so few that STOP_ACK waits for at most one frame */
enum { TRACE_OCTETS = 9 };
enum { TICKS_PER_MS = 72 };                   /* of timer 0 at F_CPU / 256 */

struct ring {
    volatile uint8_t octets[RING_OCTETS];
    volatile uint8_t first;
    volatile uint8_t end;
};

static struct vehicle vehicle;
static struct ring received;
static struct ring to_send;
static volatile uint32_t clock_ms;
static uint32_t EEMEM boots;

ISR(TIMER0_COMPA_vect)
{
    clock_ms++;
}

ISR(USART0_RX_vect)
{
    uint8_t octet = UDR0;
    uint8_t end = (uint8_t)(received.end + 1u);
    if (end != received.first) { /* a full ring loses octets; the FCS finds out */
        received.octets[received.end] = octet;
        received.end = end;
    }
}

ISR(USART0_UDRE_vect)
{
    if (to_send.first == to_send.end) {
        UCSR0B = (uint8_t)(UCSR0B & ~_BV(UDRIE0));
    } else {
        UDR0 = to_send.octets[to_send.first++];
    }
}

uint16_t port_send(const uint8_t *octets, uint16_t count)
{
    uint16_t taken = 0;
    while (taken < count && (uint8_t)(to_send.end - to_send.first) < SENDING_MAX) {
        to_send.octets[to_send.end] = octets[taken++];
        to_send.end++;
    }
    UCSR0B = (uint8_t)(UCSR0B | _BV(UDRIE0));
    return taken;
}

uint32_t port_next_boot(void)
{
    uint32_t count = eeprom_read_dword(&boots) + 1u; /* a blank EEPROM reads as -1 */
    count += count == 0;
    eeprom_update_dword(&boots, count);
    return count;
}

void port_seen(int seen, uint32_t first, uint32_t second)
{
    uint8_t trace[TRACE_OCTETS];
    put_u32(put_u32(put_u8(trace, (uint8_t)seen), first), second);
    for (uint8_t index = 0; index < TRACE_OCTETS; index++) {
        while ((UCSR1A & _BV(UDRE1)) == 0) {
        }
        UDR1 = trace[index];
    }
}

static uint32_t now_ms(void)
{
    cli();
    uint32_t now = clock_ms;
    sei();
    return now;
}

static void begin_clock(void)
{
    TCCR0A = _BV(WGM01);
    OCR0A = TICKS_PER_MS - 1;
    TCCR0B = _BV(CS02);
    TIMSK0 = _BV(OCIE0A);
}

static void begin_lines(void)
{
    UBRR0 = (uint16_t)BAUD_DIVIDER;
    UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
    UCSR0B = _BV(RXEN0) | _BV(TXEN0) | _BV(RXCIE0);
    UBRR1 = 0; /* as fast as it goes */
    UCSR1C = _BV(UCSZ11) | _BV(UCSZ10);
    UCSR1B = _BV(TXEN1);
}

static uint8_t reset_cause(void)
{
    uint8_t flags = MCUSR;
    MCUSR = 0;
    if ((flags & _BV(WDRF)) != 0) {
        return RESET_WATCHDOG;
    }
    if ((flags & _BV(EXTRF)) != 0) {
        return RESET_PIN;
    }
    return (flags & _BV(PORF)) != 0 ? RESET_POWER : RESET_UNKNOWN;
}

/* Sleeps until an interrupt; octets that came meanwhile are not slept on. */
static void rest(void)
{
    cli();
    if (received.first == received.end) {
        sleep_enable();
        sei(); /* takes effect behind the next instruction: nothing comes between */
        sleep_cpu();
        sleep_disable();
    }
    sei();
}

int main(void)
{
    struct vehicle_settings settings = {.serial = "AVR-1", .cruise_mm_s = 1200, .reset_cause = reset_cause()};
    struct body_settings body = {.lift_ms = 1500, .charge_permille = 1000};
    begin_clock();
    begin_lines();
    sei();
    body_begin(&body, now_ms());
    vehicle_boot(&vehicle, &settings, now_ms());
    for (;;) {
        rest();
        uint32_t at_ms = now_ms();
        body_run(at_ms);
        while (received.first != received.end) {
            uint8_t octet = received.octets[received.first++];
            vehicle_receive(&vehicle, &octet, 1, at_ms);
        }
        vehicle_run(&vehicle, at_ms);
    }
}
