# Perl's Net::FTP with IO::Socket::SSL against a server: PASSIVE VERSION CERTIFICATE HOST PORT USER PASSWORD
use strict;
use warnings;
use IO::Socket::SSL;
use Net::FTP;

my ($passive, $version, $certificate, $host, $port, $user, $password) = @ARGV;
my $ftp = Net::FTP->new(
    $host,
    Port            => $port,
    Timeout         => 30,
    Passive         => $passive,
    SSL_ca_file     => $certificate,
    SSL_verify_mode => SSL_VERIFY_PEER,
    SSL_version     => $version eq "1.2" ? "TLSv1_2" : "TLSv1_3",
) or die "no connection: $@";

sub must {
    my ($what, $yes) = @_;
    die "$what: " . $ftp->code . " " . $ftp->message unless $yes;
    return $yes;
}

must("AUTH TLS", $ftp->starttls);
must("login", $ftp->login($user, $password));
must("PROT P", $ftp->prot("P"));
must("TYPE I", $ftp->binary);
must("MKD", $ftp->mkdir("perl"));
must("CWD", $ftp->cwd("perl"));
die "PWD: " . $ftp->pwd unless $ftp->pwd eq "/perl";
for my $size (0, 1, 3_000_000) {
    my $sent = "perl!" x ($size / 5) . "x" x ($size % 5);
    open my $up, "<", \$sent or die;
    must("STOR", $ftp->put($up, "file"));
    my $back = "";
    open my $down, ">", \$back or die;
    must("RETR", $ftp->get("file", $down));
    die "$size bytes were sent, " . length($back) . " came back" unless $back eq $sent;
    die "SIZE" unless $ftp->size("file") == $size;
}
die "MDTM" unless abs($ftp->mdtm("file") - time) < 120;
my @names = $ftp->ls;
die "NLST: @names" unless "@names" eq "file";
my @lines = $ftp->dir;
die "LIST: @lines" unless @lines == 1 && $lines[0] =~ / file$/;
open my $more, "<", \"more" or die;
must("APPE", $ftp->append($more, "file"));
die "SIZE after APPE" unless $ftp->size("file") == 3_000_004;
must("RNFR, RNTO", $ftp->rename("file", "moved"));
must("DELE", $ftp->delete("moved"));
must("CDUP", $ftp->cdup);
must("RMD", $ftp->rmdir("perl"));
must("QUIT", $ftp->quit);
print "Net::FTP is content\n";
