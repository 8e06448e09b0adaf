"""Measurements to a table: work for each CPU second of the server, and ratios to the best peer."""

import statistics

GIB = 1024**3
# What the table calls the work, its unit, and what Portcullis has to reach: its own figure, that of the best
# peer, that of the bare loop in the way of the server's own runtime.
ROWS = {
    "refused": ("refused at connect", "/s", ("85 % of the bare loop and the best peer's", lambda own, best, bare: own >= max(0.85 * bare, best))),
    "greet": ("connect, 220, QUIT", "/s", None),
    "login": ("TLS 1.3 full handshake and login", "/s", ("3,000/s", lambda own, best, bare: own >= 3000)),
    "download": ("download", "GiB/s", ("0.95 GiB/s", lambda own, best, bare: own >= 0.95)),
    "upload": ("upload", "GiB/s", ("0.8 GiB/s", lambda own, best, bare: own >= 0.8)),
    "small": ("4 KiB RETRs in one session", "/s", ("3 times the best peer", lambda own, best, bare: own >= 3 * best)),
    "list": ("LIST of 10,000 entries", "/s", ("3 times the best peer", lambda own, best, bare: own >= 3 * best)),
    "mlsd": ("MLSD of 10,000 entries", "/s", ("3 times the best peer", lambda own, best, bare: own >= 3 * best)),
}
OWN = "Portcullis"


def render(results, field, missing, how, options):
    names = [server.name for server in field]
    lines = [["per CPU second of the server", *names, "ratio to best peer", "bar"]]
    for work in options.only:
        label, unit, bar = ROWS[work]
        if work in ("download", "upload"):
            label = f"{label} {options.size} MiB"
        figures = {name: figure(results, name, work) for name in names}
        best = max((value for name, value in figures.items() if name != OWN and value), default=None)
        own = figures.get(OWN)
        ratio = f"{own / best:.2f}" if own and best else "-"
        bare = figure(results, "bare tokio", "refused") or 0
        verdict = "-" if bar is None or own is None else f"{bar[0]}: {'reached' if bar[1](own, best or 0, bare) else 'missed'}"
        lines.append([f"{label}, {unit}", *(shown(figures[name], unit) for name in names), ratio, verdict])
    text = [columns(lines), ""]
    text += yardsticks(results) if "refused" in options.only else []
    text += [f"{name}: {shown_latency(results, name)}" for name in names]
    text += ["", f"CPU seconds: {how}. Rounds: {options.rounds}, medians. Cipher of all: TLS_AES_256_GCM_SHA384."]
    for server in field:
        text.append(f"{server.name} {server.version()}: password hash {server.hash}; refuses by {server.refusal}")
    text += [f"{name}: missing, {why}" for name, why in missing.items()]
    for row in results:
        if "error" in row:
            text.append(f"{row['server']}, {row['work']}: failed, {row['error']}")
    return "\n".join(text)


def figure(results, name, work):
    """Median over the rounds; GiB or units for each CPU second."""
    values = []
    for row in results:
        if row["server"] == name and row["work"] == work and row.get("cpu_s"):
            amount = row["bytes"] / GIB if work in ("download", "upload") else row["done"]
            values.append(amount / row["cpu_s"])
    return statistics.median(values) if values else None


def yardsticks(results):
    text = []
    for how in ("blocking", "tokio"):
        bare, own = figure(results, f"bare {how}", "refused"), figure(results, OWN, "refused")
        if bare:
            part = f"; {OWN} does {own / bare:.0%} of it" if own else ""
            text.append(f"bare accept, write, close, {how}: {shown(bare, '/s')}/s{part}")
    return text + [""]


def shown_latency(results, name):
    parts = []
    for work in ("refused", "login", "small"):
        spans = [row["p50_us"] for row in results if row["server"] == name and row["work"] == work and "p50_us" in row]
        if spans:
            parts.append(f"{work} p50 {statistics.median(spans) / 1000:.2f} ms")
    seen = [row["seen"] for row in results if row["server"] == name and row["work"] == "small" and "seen" in row]
    return ", ".join(parts + seen[-1:]) or "nothing measured"


def shown(value, unit):
    if value is None:
        return "-"
    if unit == "GiB/s":
        return f"{value:.2f}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def columns(lines):
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    out = []
    for line in lines:
        out.append("  ".join(cell.ljust(width) if at in (0, len(line) - 1) else cell.rjust(width)
                             for at, (cell, width) in enumerate(zip(line, widths))).rstrip())
    return "\n".join([out[0], "-" * len(out[0]), *out[1:]])
