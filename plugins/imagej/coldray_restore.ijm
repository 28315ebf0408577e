// Restore the image in front with coldray, and open what comes of it. docs/howto/imagej.md says more.
// With a screen a dialog asks. Without one: java -jar ij.jar -batch coldray_restore.ijm "in.tif|out.tif|coldray|--exposure-s 0.25"

function quoted(text) {
    if (startsWith(getInfo("os.name"), "Windows")) return "\"" + text + "\"";
    out = "";
    for (i = 0; i < lengthOf(text); i++) {
        letter = substring(text, i, i + 1);
        if (letter == "'") letter = "'\\''";
        out = out + letter;
    }
    return "'" + out + "'";
}

given = getArgument();
if (given != "") {
    words = split(given, "|");
    if (words.length < 3) exit("give: INPUT|OUTPUT|COLDRAY|OPTIONS");
    input = words[0];
    output = words[1];
    program = words[2];
    options = "";
    if (words.length > 3) options = words[3];
} else {
    if (nImages == 0) exit("Open an image first.");
    program = call("ij.Prefs.get", "coldray.program", "coldray");
    options = call("ij.Prefs.get", "coldray.options", "--exposure-s 0.25");
    Dialog.create("coldray restore");
    Dialog.addString("Program", program, 40);
    Dialog.addString("Options", options, 40);
    Dialog.addCheckbox("Open the parts too (linear part, network's claim, share)", false);
    Dialog.show();
    program = Dialog.getString();
    options = Dialog.getString();
    parts = Dialog.getCheckbox();
    call("ij.Prefs.set", "coldray.program", program);
    call("ij.Prefs.set", "coldray.options", options);
    if (parts) options = options + " --provenance";
    title = getTitle();
    dot = lastIndexOf(title, ".");
    if (dot > 0) title = substring(title, 0, dot);
    // pixels as they are stored; ImageJ writes its scale into the file, and coldray reads the pitch from there
    folder = getDirectory("temp") + "coldray-imagej-" + getTime();
    File.makeDirectory(folder);
    input = folder + File.separator + "in.tif";
    output = folder + File.separator + "restored.tif";
    saveAs("Tiff", input);
    rename(title);
}

command = "" + quoted(program) + " restore " + quoted(input) + " -o " + quoted(output) + " " + options + " 2>&1";
if (startsWith(getInfo("os.name"), "Windows")) said = exec("cmd", "/c", "\"" + command + "\"");
else said = exec("sh", "-c", command);
print(said);
if (!File.exists(output)) exit("coldray wrote no result; why stands in the Log window.");
if (given == "") {
    open(output);
    rename(title + " restored");
    beside = replace(output, ".tif", ".provenance.tif");
    if (File.exists(beside)) {
        open(beside);
        rename(title + " parts");
    }
}
