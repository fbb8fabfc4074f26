# What the checks found, as a Markdown table that can go into a page as it is.


def number(value):
    """Three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"


def duration(seconds):
    return f"{number(seconds)} s" if seconds >= 1 else f"{number(seconds * 1e3)} ms"


def where(facts):
    """One line over the table."""
    parts = [facts["name"]]
    if "driver" in facts:
        parts += [f"{facts['memory_gib']} GiB", f"driver {facts['driver']}", f"CUDA {facts['cuda']}"]
    kernels = "with" if facts["cuda_kernels"] else "without"
    parts += [f"PyTorch {facts['torch']}", f"commit {facts['commit']}, {kernels} libipirm_cuda.so"]
    return ", ".join(parts)


def speed_table(rows):
    """A row a contestant; times are those of this program's row of the same group."""
    lines = ["| what | who | time | times ipirm's | memory | |", "|---|---|---|---|---|---|"]
    for group in dict.fromkeys(row["group"] for row in rows):
        members = [row for row in rows if row["group"] == group]
        ours = members[0]["seconds"]
        for row in members:
            time = duration(row["seconds"]) if row["seconds"] is not None else "-"
            ratio = f"{row['seconds'] / ours:.2f}" if row["seconds"] and ours else "-"
            memory = f"{row['mib']:,.0f} MiB" if row["mib"] is not None else "-"
            remark = row["remark"] + ("; " if row["remark"] and row["target"] else "")
            remark += f"target on an H100: {duration(row['target'])}" if row["target"] else ""
            lines.append(f"| {group} | {row['who']} | {time} | {ratio} | {memory} | {remark} |")
    return lines


def markdown(report):
    lines = [f"**{where(report['device'])}**, by `{report['command']}`:", "", "| check | outcome | |", "|---|---|---|"]
    lines += [f"| {part['name']} | {part['outcome']} | {part['text'].replace('|', '/')} |" for part in report["parts"]]
    speed = next((part for part in report["parts"] if part["name"] == "speed"), None)
    if speed and speed["figures"]:
        lines += ["", *speed_table(speed["figures"]["rows"])]
    return "\n".join(lines) + "\n"
