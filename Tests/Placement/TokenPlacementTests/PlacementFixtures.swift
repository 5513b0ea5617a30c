/// Replicas placed by another implementation: cassandra-driver 3.30.1 (Python).
///
/// Made with `SimpleStrategy` and `NetworkTopologyStrategy` `.make_token_replica_map` of
/// `cassandra.metadata` over rings of random owners (`random.Random(20240501)`). The ring that the
/// driver was given holds the last token of every run of slices with the same owner.
///
/// A record is a line of nodes, one of owners, one of the factor, then the replicas of each token
/// of the ring, upwards. The nodes are a, b, c ..., each given as a letter for its datacenter and a
/// digit for its rack; the owners are a letter a slice; the factor is a number (SimpleStrategy) or
/// `datacenter:number` each (NetworkTopologyStrategy).
///
/// The driver lists one datacenter behind the other, and nodes of a rack that already has a replica
/// last, so that only each datacenter's set (and, while racks suffice, its order) says something.
/// With more replicas than racks and many tokens a node the driver may also list a node twice and
/// then leave one out; rings on which it did so were drawn anew.
enum PlacementFixtures {
    static let text = """
        x1
        aaaaaaaaaaaaaaaa
        1
        a

        x1
        aaaaaaaaaaaaaaaa
        2
        a

        x1
        aaaaaaaaaaaaaaaa
        3
        a

        x1
        aaaaaaaaaaaaaaaa
        5
        a

        x1
        aaaaaaaaaaaaaaaa
        x:1
        a

        x1
        aaaaaaaaaaaaaaaa
        x:2
        a

        x1
        aaaaaaaaaaaaaaaa
        x:3
        a

        x1
        aaaaaaaaaaaaaaaa
        x:4
        a

        x1 x1
        aababbabbbabbbbb
        1
        a b a b a b a b

        x1 x1
        bbabaaaababaabab
        2
        ba ab ba ab ba ab ba ab ba ab ba

        x1 x1
        ababbbabbbaabaab
        3
        ab ba ab ba ab ba ab ba ab ba

        x1 x1
        abaaaabaaaabbaab
        5
        ab ba ab ba ab ba ab ba

        x1 x1
        baaaaabbbabababa
        x:1
        b a b a b a b a b a

        x1 x1
        abbaabbbaabbbbba
        x:2
        ab ba ab ba ab ba ab

        x1 x1
        bbabaababababbba
        x:3
        ba ab ba ab ba ab ba ab ba ab ba ab

        x1 x1
        abaaaabababaaabb
        x:4
        ab ba ab ba ab ba ab ba ab ba

        x1 x1 x1 x1 x1
        ccddadacbaedbbed
        1
        c d a d a c b a e d b e d

        x1 x1 x1 x1 x1
        ebedbddbabeecceb
        2
        eb be ed db bd db ba ab be ec ce eb be

        x1 x1 x1 x1 x1
        cedecdaabdbccbac
        3
        ced edc dec ecd cda dab abd bdc dbc bca cba bac ace ced

        x1 x1 x1 x1 x1
        cccdaccabdcaaeae
        5
        cdabe dacbe acbde cabde abdce bdcae dcaeb caedb aecdb eacdb aecdb ecdab

        x1 x1 x1 x1 x1
        cadceacbbbdbdecd
        x:1
        c a d c e a c b d b d e c d

        x1 x1 x1 x1 x1
        bbabaeaadddbabec
        x:2
        ba ab ba ae ea ad db ba ab be ec cb

        x1 x1 x1 x1 x1
        dcdebbacaedbbccd
        x:3
        dce cde deb eba bac ace cae aed edb dbc bcd cde dce

        x1 x1 x1 x1 x1
        aacdbcdacdeebcbd
        x:4
        acdb cdba dbca bcda cdae dace acde cdeb debc ebcd bcda cbda bdac dacb

        x1 x2 x1 x2
        bcdcdadcbcbcaddd
        1
        b c d c d a d c b c b c a d

        x1 x2 x1 x2
        daabbbbcbbdcabda
        2
        da ab bc cb bd dc ca ab bd da ad

        x1 x2 x1 x2
        bcccadddadacccaa
        3
        bca cad adc dac adc dac acb cab abc

        x1 x2 x1 x2
        dcacaacaaddcacbc
        5
        dcab cadb acdb cadb acdb cadb adcb dcab cabd acbd cbda bcda cdab

        x1 x2 x1 x2
        bdcdadddadaacaca
        x:1
        b d c d a d a d a c a c a

        x1 x2 x1 x2
        dcbdaabcbcdbddad
        x:2
        dc cb ba da ab bc cb bc cd da ba da ad dc

        x1 x2 x1 x2
        daaccbdcddaadacd
        x:3
        dac abc cbd bcd dca cda dac adc dac adc cda dac

        x1 x2 x1 x2
        abddcddcaaaabbaa
        x:4
        abdc bcda dcab cdab dcab cbad abdc badc abdc

        x1 x2 x3 x1 x2 x3
        ffafccefdbeeeadc
        1
        f a f c e f d b e a d c

        x1 x2 x3 x1 x2 x3
        ccddfbbbbbaeafeb
        2
        cd df fb ba ae ea af fe eb bc

        x1 x2 x3 x1 x2 x3
        eeeddeccaafaecbb
        3
        edc dec eca caf afe fae aec ecb cbe bed

        x1 x2 x3 x1 x2 x3
        aaaccfebdceceffd
        5
        acfeb cfebd febdc ebdcf bdcef dcefa cefda ecfda cefda efdac fdace dacfe

        x1 x2 x3 x1 x2 x3
        affbecfdaaddfbbd
        x:1
        a f b e c f d a d f b d

        x1 x2 x3 x1 x2 x3
        dcdcedecabefaacf
        x:2
        dc cd dc ce ed de ec ca ab bf ef fa ac cd fd

        x1 x2 x3 x1 x2 x3
        cafadaabcaecafad
        x:3
        cab afb fab abc dbc abc bca cae aec eca cab afb fab acb dcb

        x1 x2 x3 x1 x2 x3
        cabaffcbbdbbafbe
        x:4
        cabf abfc bafc afbc fbdc cbda bdfa dbfa bafe afbe fbae bcae ecab

        x1 x1 x1 x1 x2 x2 x3
        gbccdfageffaaeda
        1
        g b c d f a g e f a e d a

        x1 x1 x1 x1 x2 x2 x3
        fbfcffggcecdcada
        2
        fb bf fc cf fg gc ce ec cd dc ca ad da af

        x1 x1 x1 x1 x2 x2 x3
        abbfeagbcdfgacfd
        3
        abf bfe fea eag agb gbc bcd cdf dfg fga gac acf cfd fda dab

        x1 x1 x1 x1 x2 x2 x3
        bcfdbddgfcdcceca
        5
        bcfdg cfdbg fdbgc dbgfc bdgfc dgfce gfcde fcdea cdeab dceab ceabf ecabf cabfd abcfd

        x1 x1 x1 x1 x2 x2 x3
        aebbfgedggddfcef
        x:1
        a e b f g e d g d f c e f

        x1 x1 x1 x1 x2 x2 x3
        fadefcgecfdbgagb
        x:2
        fa ae de ec fc cg ge ec cf fd dg bg ga ag gb bf

        x1 x1 x1 x1 x2 x2 x3
        bcffdbdgadeecbgf
        x:3
        bfg cfg fdg dge bge dge gae aeg deg ecg cgf bgf gfb fbg

        x1 x1 x1 x1 x2 x2 x3
        bfgbafdaceaafggg
        x:4
        bfga fgba gbfa bfga afgd fdga dega aegc cega eagf afgb fgba gbfa

        x1 x1 x1 x1 x1 x2
        deadbcaffaefaafb
        1
        d e a d b c a f a e f a f b

        x1 x1 x1 x1 x1 x2
        befdedadfdadfbcf
        2
        be ef fd de ed da ad df fd da ad df fb bc cf fb

        x1 x1 x1 x1 x1 x2
        cfeabebddfccfbdb
        3
        cfe fea eab abe bed ebd bdf dfc fcb cfb fbd bdc dbc bcf

        x1 x1 x1 x1 x1 x2
        dfdeffebbbfafcbb
        5
        dfeba fdeba defba efbac febac ebfac bfacd facbd afcbd fcbde cbdfe bdfea

        x1 x1 x1 x1 x1 x2
        fcfbdefdabdeccec
        x:1
        f c f b d e f d a b d e c e c

        x1 x1 x1 x1 x1 x2
        bfdcaeefedcccaac
        x:2
        bf fd df cf af ef fe ef df cf af cf

        x1 x1 x1 x1 x1 x2
        beaebafaecaeeded
        x:3
        bfe efa afe efb bfa afe fae afe efc cfa afe efd dfe efd dfb

        x1 x1 x1 x1 x1 x2
        dbfcadecbfbcedfc
        x:4
        dfbc bfca fcad cfad afde dfec efcb cfbe bfce fbce bfce cfed efdc dfcb fcdb cfdb

        x1 x2 x3 y1 y2 y2
        facedeeebccbfdbd
        1
        f a c e d e b c b f d b d

        x1 x2 x3 y1 y2 y2
        cfbebdbcadbfebbc
        2
        cf fb be eb bd db bc ca ad db bf fe eb bc cf

        x1 x2 x3 y1 y2 y2
        afddeeacccaadbfe
        3
        afd fde dea eac acd cad adb dbf bfe fea eaf

        x1 x2 x3 y1 y2 y2
        bfefdecaadebfdef
        5
        bfedc fedca efdca fdeca decab ecadb cadeb adebf debfc ebfdc bfdec fdebc defbc efbdc fbedc

        x1 x2 x3 y1 y2 y2
        cfcaebafdaefcdad
        x:1 y:1
        cf cf ce ae be bf af af ad ae ce cf cd ad ad cd

        x1 x2 x3 y1 y2 y2
        fbaadeabbeeefedc
        x:3 y:2
        fdbac debac deabc deabc edabc edabc edbca edcba fdcba edcba dfcba fdcba

        x1 x2 x3 y1 y2 y2
        efedcbacdcebaafc
        x:2
        cb cb cb cb cb ba ac cb cb cb ba ba ac cb cb

        x1 x2 x3 y1 y2 y2
        bfabdafdceebcfaf
        x:3 y:3
        bacfde abcfde abcdfe bacdfe acbdfe acbfde cbafde cbadef cbaedf bcaedf bcafde cabfde abcfde
        abcfde bacfde

        x1 x2 x3 y1 y2 y2
        fedecbfffdaebddd
        x:2 y:4
        fdecb edfcb defcb edfcb fdecb fdeba fdeab defab edfab edfbc dfebc dfecb

        x1 x1 x1 x2 x2 y1 y2 y3 y3
        icbdcgcdhhhbafghdbahdedcaiaiigif
        1
        i c b d c g c d h b a f g h d b a h d e d c a i a i g i f

        x1 x1 x1 x2 x2 y1 y2 y3 y3
        bbfehcaigdeichhhdgififhfchbgbibf
        2
        bf fe eh hc ca ai ig gd de ei ic ch hd dg gi if fi if fh hf fc ch hb bg gb bi ib bf fb

        x1 x1 x1 x2 x2 y1 y2 y3 y3
        cdhgeefcbgcgdgafeeddadbibbegbeic
        3
        cdh dhg hge gef efc fcb cbg bgc gcd cgd gda dga gaf afe fed eda dab adb dbi bie ibe beg
        egb gbe bei eic icd cdh

        x1 x1 x1 x2 x2 y1 y2 y3 y3
        gegchccfeicibccahfhfggecdfefgbhi
        5
        gechf egchf gchfe chfei hcfei cfeib feicb eicba icbah cibah ibcah bcahf cahfg ahfge hfgec
        fhgec hfgec fgecd gecdf ecdfg cdfeg dfegb fegbh efgbh fgbhi gbhie bhige higec igech

        x1 x1 x1 x2 x2 y1 y2 y3 y3
        bhaccdgahidacdefeficafbcaahhggec
        x:1 y:1
        bh ah ag cg dg ag ah dh di df af cf df ef ef ef cf ci cf af bf bh ch ah eh eg eh ch

        x1 x1 x1 x2 x2 y1 y2 y3 y3
        ffcgebcahibhdcdeabfhhigeficggcba
        x:3 y:2
        fgceb ghceb ghebc hfebc hfbdc hfcda hfadb hfbdc ifbdc hfbdc hfdce fhdce fhcde fhdae fheab
        fhaeb fhbec fhecb hgecb igecb gfecb fiecb ficeb igceb gfceb gfceb fgceb fgbea fgaec

        x1 x1 x1 x2 x2 y1 y2 y3 y3
        cefbbchiachfiahecggedihdabhbefeg
        x:2
        ce eb be be ce ae ae ae ce ae ae ae ae ec ec ce ea ea da da da da ae be be be ec ec ec ce

        x1 x1 x1 x2 x2 y1 y2 y3 y3
        ccahhedigbbhgbiibiiiababibdcbegf
        x:3 y:3
        ceahgf aedhgf ebdhgf ebdigf dbaigf bdaigf bdaghf bdahgf bdahgf bdagif bdaigf bdaigf bdaigf
        adbigf adbigf bdaigf adbigf bdcigf bdcigf bdcgfh dcbgfh cebgfh becgfh ecagfh ceagfh ceafhg

        x1 x1 x1 x2 x2 y1 y2 y3 y3
        aieedgeahciebdfadhdfgbbgibfhbaah
        x:2 y:4
        aeigfh eaigfh eaghfi daghfi eaghfi eahfgi aehfgi cehfgi ceifgh ebifgh ebfhgi bdfhgi dafhgi
        adfhgi adhfgi dbhfgi dbhfgi dbfgih befgih begifh begifh begifh beifgh befhgi befhgi behgfi
        behgfi aehgfi aehgfi

        x1 x1 x1 x1 x1
        ceaabdaeeadbcbbbdedbdbadcecabaeecbdcccacbeaedcedebadaaddeeaecbac
        3
        cea eab abd bda dae aed ead adb dbc bcd cbd bde deb edb dba bda dba bad adc dce cea eca
        cab abe bae aec ecb cbd bdc dca cab acb cbe bea ead aed edc dce ced edb deb eba bad ade
        dae ade dea eac aec ecb cba bac ace cea

        x1 x2 x3 x1 x2 x3
        ebfcfccccfdabbcbfdfaeacdeedbfceefaedfeafedfbdddfeabbfafcfaaddafd
        x:3
        efd bfd fdb cdb fdb cdb fdb dbc abc bcd cbd bfd fde dfe fae aec eac ace cde def edf dbf
        bfa fea cea efa fae aef edf dfe fea eaf afe fed edf dfb fbd bdf dfe fea eaf abf bfa fae
        afe fae cae fae afe dfe afe fde def

        x1 x2 x3 y1 y2 y2
        baeceabfedfdafddfcedcfcfbfeddadfaddbaeeafedecbfdbbfddcacfddfdbcd
        x:3 y:2
        baced acbed cabed cabed abced abcfd bacfd acbfd acbed acbdf acbfd acbdf acbfd cbafd cbadf
        cbafd cbaed cbaed cbadf cbafd cbafd cbafd bacfd bacfd abcfd abced abcdf abcdf abcdf abcfd
        abcde bacde baced acbed acbed acbfd cbafd cbaed cbade cbaed cbafd bcafd bcafd bcadf bcafd
        cabfd cabdf cabfd acbfd cbafd bcafd bcadf bcafd bcade bcade cbade bacde
        """
}
